# What sinks are told of alarms. The other language has the same texts and variables.

# How an alarm stands, by the reason why it is told.
state-firing = { $severity ->
    [critical] CRITICAL
   *[warning] WARNING
}
state-repeat = { $severity ->
    [critical] STILL CRITICAL
   *[warning] STILL WARNING
}
state-reopened = { $severity ->
    [critical] REOPENED, CRITICAL
   *[warning] REOPENED, WARNING
}
state-escalated = { $severity ->
    [critical] UNATTENDED, CRITICAL
   *[warning] UNATTENDED, WARNING
}
state-flapping = { $severity ->
    [critical] FLAPPING, CRITICAL
   *[warning] FLAPPING, WARNING
}
state-digest = { $severity ->
    [critical] DIGEST, CRITICAL
   *[warning] DIGEST, WARNING
}
state-resolved = RESOLVED
state-closed = CLOSED

# What else is said of one alarm.
fact-value = value
fact-since = since
fact-resolved = ended
fact-closed = ended
fact-why = why
fact-labels = labels
fact-runbook = runbook
fact-alarm = alarm
fact-line = line

# Of several alarms.
count-firing = { $firing ->
    [one] 1 alarm
   *[other] { $firing } alarms
}
count-ended = { $ended ->
    [one] 1 alarm ended
   *[other] { $ended } alarms ended
}
count-both = { $firing ->
    [one] 1 alarm, { $ended } ended
   *[other] { $firing } alarms, { $ended } ended
}
alarm-new = new
more = … and { $count } more

# Why it is told.
why-first = these are new
why-new-alarms = alarms joined
why-worse = it got worse
why-better = it got better, and still fires
why-resolved = all have ended
why-some-resolved = some have ended
why-repeat = it still fires
why-closed = not watched any more
why-reopened = reopened by a person
why-escalated = nobody took it up in time
why-flapping = it comes and goes
why-digest = much changed at once
why-other = changed

# Alarms about haetae itself, after the name of what they are about.
problem-source-down = does not answer
problem-sink-failing = cannot deliver
problem-plugin-panicked = panicked and was restarted
problem-hung = hangs
problem-limit-exceeded = exceeds a limit
problem-dead-letters = gave up deliveries
problem-slots-missed = missed slots
problem-alarms-over-limit = has more alarms than its limit
problem-queue-filling = has a queue that fills up
problem-queue-damaged = has a damaged queue
problem-store-failing = cannot be written
problem-store-lost = has lost something
problem-state-lost = is not where it was
problem-disk-full = has no room left on its disk
problem-stage-failed = had to start a part of itself again
problem-clock-jumped = jumped
problem-reload-failed = goes on as it was configured before
