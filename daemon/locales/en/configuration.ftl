# What is wrong with a configuration. The other language has the same texts and variables.
# A problem has its sentence, `.label` under the caret, and a cure.

or = or
type-string = a text
type-duration = a length of time
type-size = a size
type-matcher = a matcher
type-integer = a whole number
type-number = a number
type-boolean = true or false
type-array = a list
type-object = a table
matcher-syntax = it is no label, operator and quoted value
series-head = a name or labels are expected here, then a space
series-label = a label is written as name="value", with commas between
series-twice = a label that is given twice
series-value = no value
series-many = more than 100 000 values
expected-word = no word for where an alarm can stand
expected-time = a time after the start is expected: @2m
expected-end = nothing more is expected here
word-error = error
word-warning = warning
word-top = the file
word-table = table
word-source = source
word-evaluator = evaluator
word-sink = sink
word-samples = samples
word-logs = logs
word-notifications = notifications
word-unknown-records = records unknown to this build

report-more = { $count ->
    [one] and 1 more
   *[other] and { $count } more
}
report-errors = { $errors ->
    [one] 1 error
   *[other] { $errors } errors
}
report-warnings = { $warnings ->
    [one] 1 warning
   *[other] { $warnings } warnings
}
report-found = { $files ->
    [one] { $found } in 1 file.
   *[other] { $found } in { $files } files.
}
report-nothing = Nothing was started, no secret was read.

syntax = this is not TOML
    .label = { $cause }
    .cure = correct the syntax here; the rest of this file is checked after that
wrong-type = `{ $key }` must be { $expected }
    .label = expected { $expected }
    .cure = write { $expected } in place of { $given }
    .duration = write a length of time in quotes, with its unit: "30s", "5m", "2h 30m"
    .tables = write [[{ $key }]] over each of them
unknown-key = unknown key `{ $key }` in { $section }
    .label = nothing reads this
    .cure = remove it, or look up the right key in the documentation
    .meant = did you mean `{ $meant }`?
missing-key = `{ $key }` is missing in { $section }
    .label = needs `{ $key }`
    .cure = add a line `{ $key } = …`
bad-duration = { $given } is no length of time
    .label = expected a number with its unit, such as 30s
    .cure = write a number with its unit: "500ms", "30s", "5m", "2h 30m", "7d"; at most 100 years
bad-size = { $given } is no size
    .label = expected a whole number with its unit, such as 2 GiB
    .cure = write a whole number with its unit: "64 KiB", "500 MB", "2 GiB"
bad-hours = { $given } is no span of hours
    .label = expected start and end, such as 22:00-07:00
    .cure = write it as "22:00-07:00", several as "12:00-13:00,18:00-19:00", a whole day as "00:00-24:00"
bad-days = { $given } names no days of the week
    .label = expected days such as Mon-Fri
    .cure = write them as "Mon-Fri", "Sat,Sun" or "Wed"
bad-time = { $given } is no date and time
    .label = expected a date and a time
    .cure = write it as 2026-12-01T22:00:00+09:00, or without the offset for the clock of `zone`
bad-store = { $given } is no store
    .label = { $cause }
    .cure = write store = {"{"} url = "postgres://USER@HOST/DATABASE", password = {"{"} credential = "NAME" {"}"} {"}"}; without it the store is a file in the state directory
bad-matcher = { $given } is no matcher
    .label = { $cause }
    .cure = write it as label="value", or with one of the operators != =~ !~
    .regex = correct the regular expression; a backslash before a special character takes it literally
bad-pattern = { $given } is no regular expression
    .label = { $cause }
    .cure = correct it; a backslash before a special character takes it literally; there are no look-arounds and no back references
too-much = { $given } is more than the maximum { $limit }
    .label = at most { $limit }
    .cure = give `{ $key }` at most { $limit }
    .range = give `{ $key }` a number from { $minimum } to { $maximum }
too-little = { $given } is less than the minimum { $limit }
    .label = at least { $limit }
    .cure = give `{ $key }` at least { $limit }
    .range = give `{ $key }` a number from { $minimum } to { $maximum }
not-one-of = `{ $key }` cannot be { $given }
    .label = one of { $options }
    .cure = use one of { $options }
    .meant = did you mean `{ $meant }`?
bad-length = `{ $key }` has a wrong length
    .label = must be of another length
    .least = give it at least { $limit }
    .most = give it at most { $limit }
repeated = `{ $key }` names something twice
    .label = each only once
    .cure = remove the repetition
bad-secret = `{ $key }` must be a reference to a secret
    .label = not the secret itself, nor anything else
    .cure = write {"{"} credential = "name" {"}"}, {"{"} file = "/path" {"}"} or {"{"} env = "NAME" {"}"}
refused = { $given } does not fit
    .label = { $cause }
    .cure = see the documentation of `{ $key }`
bad-zone = unknown time zone `{ $zone }`
    .label = not in the time zone database
    .cure = use a name such as "Asia/Seoul" or "UTC"
bad-address = `{ $given }` is no address to listen on
    .label = expected address and port
    .cure = write it as "127.0.0.1:9870" or "[::1]:9870"
too-short = `{ $key }` is too short
    .label = at least 1s
    .cure = give it one second or more
kept-too-short = `{ $key }` is kept too short
    .label = at least 1d
    .cure = give it a day or more, or "forever": history goes by days

duplicate-name = the name `{ $name }` is taken: { $role } in { $other }
    .label = defined a second time
    .cure = rename one of the two; a name belongs to one source, evaluator or sink in all files together
reserved-name = nothing may be called `system`
    .label = the name of haetae's own alarms
    .cure = choose another name
bad-name = `{ $name }` cannot be a name
    .label = 1 to 64 letters, digits, `-`, `_` and `.`
    .cure = use letters, digits, `-`, `_` and `.`, not beginning with `.`
unknown-plugin = there is no plugin `{ $plugin }`
    .label = searched: { $searched }
    .cure = install the plugin, or name its directory in [plugins] path
    .meant = did you mean `{ $meant }`?
broken-plugin = the plugin `{ $plugin }` cannot be loaded from { $file }
    .label = { $cause }
    .cure = { $what }
wrong-role = the plugin `{ $plugin }` has no { $role }
    .label = cannot be used as a { $role }
    .cure = use another plugin here, or this one in another table
reserved-key = the plugin `{ $plugin }` cannot be used: its option `{ $key }` is a key of the daemon's own
    .label = asks for `{ $key }`
    .cure = ask the plugin's author to rename the option
bad-schema = the plugin `{ $plugin }` cannot be used: the schema of its options is wrong
    .label = { $cause }
    .cure = report this to the plugin's author
refused-options = the plugin `{ $plugin }` refuses the options of { $section }
    .label = { $cause }
    .cure = see the documentation of the plugin
duplicate-table = { $section } is in two files, also in { $other }
    .label = defined a second time
    .cure = put all its keys into one file

unknown-input = nothing is called `{ $name }`
    .label = known here: { $known }
    .cure = define it, or use one of the known names
    .meant = did you mean `{ $meant }`?
wrong-input = `{ $name }` ({ $role }) cannot be an input here
    .label = expected the name of a { $wanted }
    .cure = put the name of a { $wanted } here
input-yields-no-samples = `{ $name }` yields no samples
    .label = an evaluator of kind `threshold` judges samples
    .cure = put the name of a source of samples here
input-yields-no-logs = `{ $name }` yields no log records
    .label = an evaluator of kind `log` reads log records
    .cure = put the name of a source of logs here
no-mode = `{ $severity }` does not say what it waits for
    .label = how many matches, or none for how long?
    .cure = write at_least = 1, within = "1m"; or absent_for = "10m"; or name a label with `new` beside it
mixed-modes = an evaluator counts, waits for an absence or looks for new values: one of them
    .label = does not go with the rest
    .cure = remove it, or make an evaluator of its own of it
without-new = `{ $key }` needs `new`
    .label = of which label?
    .cure = name a label or a named group of the pattern:  new = "version"
sink-cannot-take = this sink cannot take what `{ $name }` yields
    .label = yields { $yields }
    .cure = the plugin `{ $plugin }` takes { $takes }: choose another sink or another input
unknown-fallback = no sink is called `{ $name }`
    .label = must be the name of a sink
    .cure = define the sink, or use the name of another
    .meant = did you mean `{ $meant }`?
fallback-cannot-take = `{ $name }` cannot stand in for this sink
    .label = takes { $takes } only
    .cure = choose a sink that takes { $yields }
fallback-cycle = the fallbacks of these sinks lead in a circle
    .label = { $cycle }
    .cure = remove `fallback` from one of them
escalate-cannot-take = `{ $name }` cannot be told of alarms
    .label = takes { $takes } only
    .cure = choose a sink that takes notifications
escalate-cycle = these sinks escalate in a circle
    .label = { $cycle }
    .cure = remove `escalate` from one of them

no-level = { $section } has neither `warning` nor `critical`
    .label = would never raise an alarm
    .cure = add a level such as  critical = {"{"} above = 90, for = "2m" {"}"}
    .log = add a level such as  critical = {"{"} at_least = 1, within = "1m" {"}"}
warning-beyond-critical = `warning` is beyond `critical`
    .label = at { $warning } it is critical already, from { $critical } on
    .cure = give `warning` the smaller number
    .below = give `warning` the greater number
    .merged = the other level is the evaluator's own: give this one another number, or name both here
clear-on-wrong-side = `clear` is on the wrong side
    .label = { $clear } is on the bad side of { $raise }
    .cure = give `clear` { $raise } or less
    .below = give `clear` { $raise } or more
mixed-sides = `warning` and `critical` look to different sides
    .label = the other level has the other of `above` and `below`
    .cure = use `above` in both or `below` in both; two evaluators can watch both sides
    .merged = use the one of `above` and `below` that the evaluator uses, or name both levels here
both-sides = `{ $severity }` has both `above` and `below`
    .label = only one of the two
    .cure = remove one; two evaluators can watch both sides
no-side = `{ $severity }` has neither `above` nor `below`
    .label = which values are bad?
    .cure = add `above = …` or `below = …`
for-beside-of = `{ $severity }` has both `for` and `of`
    .label = only one of the two
    .cure = keep `for` to wait for a time without a break, or `of` to count slots
impossible-of = { $count } of the last { $slots } can never be
    .label = the first must be from 1 to { $slots }
    .cure = write it as [3, 5]: at least 3 of the last 5
value-without-over = `value` needs `over`
    .label = of which window?
    .cure = add a window such as  over = "5m", or remove `value`
flap-never-settles = what flaps settles at once: `stop` is beyond `start`
    .label = { $stop } is more than { $start }
    .cure = give `stop` { $start } or less
over-on-pushed-down = the source computes the window of `{ $metric }` itself
    .label = a second window over it
    .cure = remove `over`, or `window` from the source's query
over-too-long = `over` is longer than what is kept of a series
    .label = { $most } points at the most; `{ $source }` brings one each { $interval }
    .cure = make `over` at most { $longest }, the source's `interval` longer, or let its database compute the window, if it has one
deadline-beyond-interval = the deadline is longer than the interval
    .label = the next call is due after { $interval }
    .cure = make `deadline` at most { $interval }, or `interval` longer
no-span = the maintenance `{ $name }` does not say when it is
    .label = neither `hours`, nor `days`, nor `until`
    .cure = add hours = "22:00-07:00" and days = "Mon-Fri" if it comes again, or from = … and until = … if it is once
ends-first = it ends before it begins
    .label = not after `from`
    .cure = give `until` a time after `from`

unknown-evaluator = no evaluator is called `{ $name }`
    .label = must be the name of an evaluator of kind `threshold`
    .cure = use one of: { $known }
    .meant = did you mean `{ $meant }`?
overrides-log = `{ $name }` has no thresholds
    .label = is an evaluator of kind `log`
    .cure = change its numbers where it stands; [[thresholds]] are for evaluators of kind `threshold`
expect-without-by = `expect` names identities, and no `by` says what makes one
    .label = which labels tell them apart?
    .cure = add by = ["…"] with the labels that are named here
expect-beside-by = this is no identity of the evaluator
    .label = names { $given }
    .cure = name each label of `by` once, with =: { $by }; several in a list of their own
forget-without-learned = nothing is learned that could be forgotten
    .label = needs expect = "learned"
    .cure = add expect = "learned", or remove `forget`
overrides-nothing = { $section } changes neither `warning` nor `critical`
    .label = replaces no level
    .cure = add a level such as  critical = {"{"} above = 95, for = "2m" {"}"}

bad-series = `{ $given }` is no series of a test
    .label = { $cause }
    .cure = write name, labels and values: 'cpu{"{"}ip="a"{"}"} 95x4 85-5x3 _x2 stale'; 95x4 is 95 and 4 more, _x2 is two gaps, one value an interval
bad-expectation = `{ $given }` is no expectation
    .label = { $cause }
    .cure = write a word and a time: "critical@2m", "ok@9m{"{"}ip='a'{"}"}"; the words are ok, pending, warning, critical, recovering
    .meant = did you mean `{ $meant }`?
test-of-other-metric = the evaluator does not read `{ $given }`
    .label = it reads `{ $metric }`
    .cure = write `{ $metric }`, or leave the name out
test-of-no-level = the evaluator has no `{ $severity }`
    .label = can never happen
    .cure = give the evaluator `{ $severity } = …`, or expect another severity
test-between-slots = nothing is judged at { $at }
    .label = between two slots
    .cure = expect it at { $before } or { $after }: this test judges every { $every }; `interval` of the test changes that
test-too-long = the test takes more than { $most } slots
    .label = every { $every }, it would not end soon
    .cure = expect less far ahead, or give the test a longer `interval`

expect-holds = what is expected here and missing is no alarm
    .label = with `then` at "hold" nobody is told
    .cure = add no_data = {"{"} then = "alarm" {"}"}
unread-source = nothing reads the source `{ $name }`
    .label = in no `inputs`
    .cure = add "{ $name }" to the `inputs` of an evaluator or a sink, or remove the source
unknown-metric = no source of this evaluator yields `{ $metric }`
    .label = not among the metrics of { $inputs }
    .cure = see the metrics in the documentation of the plugin
    .meant = did you mean `{ $meant }`?
