# 설정의 문제. 다른 언어와 키와 변수가 같다.
# 변수 바로 뒤에는 받침에 따라 바뀌는 조사를 쓰지 않는다.

or = 또는
type-string = 문자열
type-duration = 시간 길이
type-size = 크기
type-matcher = 매처
type-integer = 정수
type-number = 숫자
type-boolean = true/false
type-array = 목록
type-object = 테이블
matcher-syntax = 레이블, 연산자, 따옴표로 묶은 값의 순서가 아닙니다
series-head = 이름이나 레이블, 그다음 빈칸이 올 자리
series-label = 레이블은 이름="값" 꼴로 쓰고 쉼표로 나눔
series-twice = 두 번 준 레이블
series-value = 값이 아님
series-many = 값이 10만 개를 넘음
expected-word = 알람의 상태를 나타내는 말이 아님
expected-time = 시작부터의 시각이 필요함: @2m
expected-end = 더 올 것이 없는 자리
word-error = 오류
word-warning = 경고
word-top = 파일
word-table = 테이블
word-source = 소스
word-evaluator = 평가기
word-sink = 싱크
word-samples = 샘플
word-logs = 로그
word-notifications = 알림
word-unknown-records = 이 버전이 모르는 레코드

report-more = { $count ->
   *[other] 그 밖에 { $count }건
}
report-errors = { $errors ->
   *[other] 오류 { $errors }건
}
report-warnings = { $warnings ->
   *[other] 경고 { $warnings }건
}
report-found = { $files ->
   *[other] 파일 { $files }개에서 { $found }.
}
report-nothing = 아무것도 시작하지 않았고, 비밀 값은 읽지 않았습니다.

syntax = TOML 문법에 맞지 않습니다
    .label = { $cause }
    .cure = 이 자리의 문법을 고치십시오. 이 파일의 나머지는 그 뒤에 검사합니다
wrong-type = 값의 형식이 다릅니다: `{ $key }`
    .label = 필요한 형식: { $expected }
    .cure = { $given } 대신 다음 형식으로 쓰십시오: { $expected }
    .duration = 시간 길이는 단위와 함께 따옴표로 묶어 쓰십시오: "30s", "5m", "2h 30m"
    .tables = 각각의 앞에 [[{ $key }]] 를 쓰십시오
unknown-key = { $section }에 모르는 키가 있습니다: `{ $key }`
    .label = 읽는 곳이 없는 키
    .cure = 지우거나, 문서에서 올바른 키를 찾으십시오
    .meant = 혹시 `{ $meant }` 아닙니까?
missing-key = { $section }에 필요한 키가 없습니다: `{ $key }`
    .label = 빠진 키: `{ $key }`
    .cure = `{ $key } = …` 줄을 더하십시오
bad-duration = 시간 길이가 아닙니다: { $given }
    .label = 숫자와 단위가 필요함 (예: 30s)
    .cure = 숫자와 단위를 함께 쓰십시오: "500ms", "30s", "5m", "2h 30m", "7d"; 최대 100년
bad-size = 크기가 아닙니다: { $given }
    .label = 정수와 단위가 필요함 (예: 2 GiB)
    .cure = 정수와 단위를 함께 쓰십시오: "64 KiB", "500 MB", "2 GiB"
bad-hours = 시간대가 아닙니다: { $given }
    .label = 시작과 끝이 필요함 (예: 22:00-07:00)
    .cure = "22:00-07:00" 꼴로, 여럿이면 "12:00-13:00,18:00-19:00", 온종일이면 "00:00-24:00"으로 쓰십시오
bad-days = 요일이 아닙니다: { $given }
    .label = 요일이 필요함 (예: Mon-Fri)
    .cure = "Mon-Fri", "Sat,Sun", "Wed" 꼴로 쓰십시오
bad-time = 날짜와 시각이 아닙니다: { $given }
    .label = 날짜와 시각이 필요함
    .cure = 2026-12-01T22:00:00+09:00 꼴로 쓰십시오. 오프셋이 없으면 `zone`의 시각입니다
bad-store = 저장소가 아닙니다: { $given }
    .label = { $cause }
    .cure = store = {"{"} url = "postgres://USER@HOST/DATABASE", password = {"{"} credential = "NAME" {"}"} {"}"} 꼴로 쓰십시오. 없으면 state 디렉터리의 파일이 저장소입니다
bad-matcher = 매처가 아닙니다: { $given }
    .label = { $cause }
    .cure = label="value" 꼴로 쓰십시오. 연산자는 = 대신 != =~ !~ 도 됩니다
    .regex = 정규식을 고치십시오. 특수 문자를 글자 그대로 쓰려면 앞에 백슬래시를 붙입니다
bad-pattern = 정규식이 아닙니다: { $given }
    .label = { $cause }
    .cure = 정규식을 고치십시오. 특수 문자를 글자 그대로 쓰려면 앞에 백슬래시를 붙입니다. 전후방 탐색과 역참조는 없습니다
too-much = { $given }: 최댓값 { $limit }보다 큽니다
    .label = { $limit } 이하
    .cure = `{ $key }` 값을 { $limit } 이하로 정하십시오
    .range = `{ $key }` 값을 { $minimum }에서 { $maximum } 사이로 정하십시오
too-little = { $given }: 최솟값 { $limit }보다 작습니다
    .label = { $limit } 이상
    .cure = `{ $key }` 값을 { $limit } 이상으로 정하십시오
    .range = `{ $key }` 값을 { $minimum }에서 { $maximum } 사이로 정하십시오
not-one-of = `{ $key }`에 쓸 수 없는 값입니다: { $given }
    .label = 쓸 수 있는 값: { $options }
    .cure = 다음 가운데 하나를 쓰십시오: { $options }
    .meant = 혹시 `{ $meant }` 아닙니까?
bad-length = 길이가 맞지 않습니다: `{ $key }`
    .label = 다른 길이여야 합니다
    .least = { $limit } 이상으로 하십시오
    .most = { $limit } 이하로 하십시오
repeated = 같은 것이 두 번 있습니다: `{ $key }`
    .label = 한 번씩만
    .cure = 되풀이된 것을 지우십시오
bad-secret = 비밀 값은 참조로 써야 합니다: `{ $key }`
    .label = 비밀 값 자체나 다른 것은 쓸 수 없음
    .cure = {"{"} credential = "name" {"}"}, {"{"} file = "/path" {"}"}, {"{"} env = "NAME" {"}"} 가운데 하나로 쓰십시오
refused = 쓸 수 없는 값입니다: { $given }
    .label = { $cause }
    .cure = `{ $key }`에 대한 문서를 보십시오
bad-zone = 모르는 시간대입니다: `{ $zone }`
    .label = 시간대 데이터베이스에 없음
    .cure = "Asia/Seoul"이나 "UTC" 같은 이름을 쓰십시오
bad-address = 수신 주소가 아닙니다: `{ $given }`
    .label = 주소와 포트가 필요함
    .cure = "127.0.0.1:9870"이나 "[::1]:9870" 꼴로 쓰십시오
too-short = 너무 짧습니다: `{ $key }`
    .label = 1s 이상
    .cure = 1초 이상으로 정하십시오
kept-too-short = 보관 기간이 너무 짧습니다: `{ $key }`
    .label = 1d 이상
    .cure = 하루 이상 또는 "forever"로 정하십시오: 기록은 하루 단위로 지워집니다

duplicate-name = 이미 쓰인 이름입니다: `{ $name }` ({ $role }, { $other })
    .label = 두 번째 정의
    .cure = 둘 중 하나의 이름을 바꾸십시오. 이름은 모든 파일의 소스, 평가기, 싱크를 통틀어 하나뿐이어야 합니다
reserved-name = `system`은 이름으로 쓸 수 없습니다
    .label = haetae 자신의 알람이 쓰는 이름
    .cure = 다른 이름을 쓰십시오
bad-name = 이름으로 쓸 수 없습니다: `{ $name }`
    .label = 글자, 숫자, `-`, `_`, `.` 1~64자
    .cure = 글자, 숫자, `-`, `_`, `.`만 쓰고 `.`으로 시작하지 마십시오
unknown-plugin = 그런 플러그인이 없습니다: `{ $plugin }`
    .label = 찾아본 곳: { $searched }
    .cure = 플러그인을 설치하거나, 그 디렉터리를 [plugins] path에 적으십시오
    .meant = 혹시 `{ $meant }` 아닙니까?
broken-plugin = 플러그인을 불러올 수 없습니다: `{ $plugin }` ({ $file })
    .label = { $cause }
    .cure = { $what }
wrong-role = 플러그인에 없는 역할입니다: `{ $plugin }`, { $role }
    .label = 이 역할로 쓸 수 없음: { $role }
    .cure = 여기에는 다른 플러그인을 쓰거나, 이 플러그인을 다른 테이블에서 쓰십시오
reserved-key = 플러그인을 쓸 수 없습니다: `{ $plugin }`의 옵션 `{ $key }` 이름이 데몬 자신의 키와 같습니다
    .label = `{ $key }` 키를 요구함
    .cure = 플러그인을 만든 이에게 옵션 이름을 바꿔 달라고 하십시오
bad-schema = 플러그인을 쓸 수 없습니다: `{ $plugin }`의 옵션 스키마가 잘못되었습니다
    .label = { $cause }
    .cure = 플러그인을 만든 이에게 알리십시오
refused-options = 플러그인이 { $section }의 옵션을 받아들이지 않습니다: `{ $plugin }`
    .label = { $cause }
    .cure = 플러그인의 문서를 보십시오
duplicate-table = { $section } 테이블이 두 파일에 있습니다: { $other }
    .label = 두 번째 정의
    .cure = 키를 모두 한 파일에 모으십시오

unknown-input = 그런 이름이 없습니다: `{ $name }`
    .label = 쓸 수 있는 이름: { $known }
    .cure = 정의하거나, 있는 이름을 쓰십시오
    .meant = 혹시 `{ $meant }` 아닙니까?
wrong-input = 여기에 입력으로 쓸 수 없습니다: `{ $name }` ({ $role })
    .label = 여기에 쓸 수 있는 것: { $wanted }
    .cure = 다음의 이름을 적으십시오: { $wanted }
input-yields-no-samples = 샘플을 내지 않는 소스입니다: `{ $name }`
    .label = `threshold` 평가기는 샘플을 판정함
    .cure = 샘플을 내는 소스의 이름을 적으십시오
input-yields-no-logs = 로그를 내지 않는 소스입니다: `{ $name }`
    .label = `log` 평가기는 로그를 읽음
    .cure = 로그를 내는 소스의 이름을 적으십시오
no-mode = `{ $severity }`에 무엇을 기다리는지 없습니다
    .label = 몇 번 나오면, 또는 얼마 동안 없으면?
    .cure = at_least = 1, within = "1m" 또는 absent_for = "10m"으로 쓰거나, 그 옆에 `new`로 레이블을 적으십시오
mixed-modes = 평가기는 횟수, 부재, 새 값 가운데 하나만 봅니다
    .label = 나머지와 맞지 않음
    .cure = 지우거나 따로 평가기를 만드십시오
without-new = `{ $key }`에는 `new`가 필요합니다
    .label = 어느 레이블의 값인지 알 수 없음
    .cure = 레이블이나 pattern의 이름 있는 그룹을 적으십시오:  new = "version"
sink-cannot-take = 이 싱크가 받을 수 없는 입력입니다: `{ $name }`
    .label = 내는 것: { $yields }
    .cure = 플러그인 `{ $plugin }`의 싱크가 받는 것: { $takes }. 다른 싱크나 다른 입력을 고르십시오
unknown-fallback = 그런 싱크가 없습니다: `{ $name }`
    .label = 싱크의 이름이어야 함
    .cure = 싱크를 정의하거나, 다른 싱크의 이름을 쓰십시오
    .meant = 혹시 `{ $meant }` 아닙니까?
fallback-cannot-take = 이 싱크를 대신할 수 없습니다: `{ $name }`
    .label = 받는 것: { $takes }
    .cure = 다음을 받는 싱크를 고르십시오: { $yields }
fallback-cycle = 싱크의 fallback이 서로 맞물려 돕니다
    .label = { $cycle }
    .cure = 이 가운데 하나에서 `fallback`을 지우십시오
escalate-cannot-take = 알람을 받을 수 없는 싱크입니다: `{ $name }`
    .label = 받는 것: { $takes }
    .cure = 통지를 받는 싱크를 고르십시오
escalate-cycle = 싱크들의 escalate가 서로를 돌아가며 가리킵니다
    .label = { $cycle }
    .cure = 그중 하나에서 `escalate`를 지우십시오

no-level = { $section }에 `warning`도 `critical`도 없습니다
    .label = 알람이 발생할 수 없음
    .cure = 단계를 더하십시오. 예:  critical = {"{"} above = 90, for = "2m" {"}"}
    .log = 단계를 더하십시오. 예:  critical = {"{"} at_least = 1, within = "1m" {"}"}
warning-beyond-critical = `warning`이 `critical`보다 심합니다
    .label = { $warning }이면 이미 심각 단계입니다(임계치 { $critical })
    .cure = `warning`에 더 작은 숫자를 쓰십시오
    .below = `warning`에 더 큰 숫자를 쓰십시오
    .merged = 다른 단계는 평가기의 것입니다. 이 단계의 숫자를 바꾸거나 두 단계를 모두 쓰십시오
clear-on-wrong-side = `clear`가 반대쪽에 있습니다
    .label = { $clear }: 임계치 { $raise }에서 나쁜 쪽
    .cure = `clear`를 { $raise } 이하로 정하십시오
    .below = `clear`를 { $raise } 이상으로 정하십시오
mixed-sides = `warning`과 `critical`의 방향이 다릅니다
    .label = 다른 단계와 `above`/`below`가 다름
    .cure = 둘 다 `above`나 둘 다 `below`로 쓰십시오. 양쪽을 보려면 평가기를 둘로 나눕니다
    .merged = 평가기와 같은 쪽(`above` 또는 `below`)으로 쓰거나 두 단계를 모두 쓰십시오
both-sides = `{ $severity }`에 `above`와 `below`가 함께 있습니다
    .label = 둘 중 하나만
    .cure = 하나를 지우십시오. 양쪽을 보려면 평가기를 둘로 나눕니다
no-side = `{ $severity }`에 `above`도 `below`도 없습니다
    .label = 어느 쪽이 나쁜 값인지 알 수 없음
    .cure = `above = …`나 `below = …`를 더하십시오
for-beside-of = `{ $severity }`에 `for`와 `of`가 함께 있습니다
    .label = 둘 중 하나만
    .cure = 끊김 없는 시간을 기다리려면 `for`만, 횟수를 세려면 `of`만 남기십시오
impossible-of = 있을 수 없는 횟수입니다: 최근 { $slots }번 중 { $count }번
    .label = 앞의 수는 1에서 { $slots } 사이
    .cure = [3, 5]처럼 쓰십시오: 최근 5번 중 3번 이상
value-without-over = `value`에는 `over`가 필요합니다
    .label = 어느 구간의 값인지 알 수 없음
    .cure = over = "5m" 같은 구간을 더하거나 `value`를 지우십시오
flap-never-settles = `stop`이 `start`보다 커서 요동이 시작되자마자 끝납니다
    .label = { $stop }은(는) { $start }보다 큼
    .cure = `stop`을 { $start } 이하로 하십시오
over-on-pushed-down = 구간을 소스가 이미 계산하는 메트릭입니다: `{ $metric }`
    .label = 그 위에 또 씌운 구간
    .cure = `over`를 지우거나, 소스의 쿼리에서 `window`를 지우십시오
over-too-long = `over`가 시계열 하나에서 보관하는 양보다 깁니다
    .label = 최대 { $most }개; `{ $source }`은(는) { $interval }마다 하나씩 보냄
    .cure = `over`를 { $longest } 이하로 줄이거나, 소스의 `interval`을 늘리거나, 데이터베이스가 있으면 구간 계산을 맡기십시오
deadline-beyond-interval = `deadline`이 `interval`보다 깁니다
    .label = 다음 호출까지의 간격: { $interval }
    .cure = `deadline`을 { $interval } 이하로 줄이거나 `interval`을 늘리십시오
no-span = 점검 `{ $name }`이(가) 언제인지 없습니다
    .label = `hours`, `days`, `until` 가운데 아무것도 없음
    .cure = 되풀이되면 hours = "22:00-07:00"과 days = "Mon-Fri"를, 한 번이면 from = …과 until = …을 더하십시오
ends-first = 시작하기 전에 끝납니다
    .label = `from` 뒤가 아님
    .cure = `until`을 `from`보다 뒤로 정하십시오

unknown-evaluator = 그런 평가기가 없습니다: `{ $name }`
    .label = `threshold` 종류 평가기의 이름이어야 함
    .cure = 다음 가운데 하나를 쓰십시오: { $known }
    .meant = `{ $meant }` 아닙니까?
overrides-log = `{ $name }`에는 임계값이 없습니다
    .label = `log` 종류 평가기임
    .cure = 그 평가기의 값을 직접 고치십시오. [[thresholds]]는 `threshold` 종류 평가기에만 씁니다
expect-without-by = `expect`가 대상을 가리키지만 `by`가 없습니다
    .label = 어느 레이블로 구별하는지 알 수 없음
    .cure = 여기에 쓴 레이블로 by = ["…"]를 더하십시오
expect-beside-by = 평가기의 대상이 아닙니다
    .label = 가리키는 레이블: { $given }
    .cure = `by`의 레이블마다 =로 한 번씩 쓰십시오: { $by }. 여럿이면 따로 목록으로 묶습니다
forget-without-learned = 잊을 것이 없습니다
    .label = expect = "learned"가 필요함
    .cure = expect = "learned"를 더하거나 `forget`을 지우십시오
overrides-nothing = { $section }에 `warning`도 `critical`도 없습니다
    .label = 바꾸는 단계가 없음
    .cure = critical = {"{"} above = 95, for = "2m" {"}"} 같은 단계를 더하십시오

bad-series = 테스트의 시리즈가 아닙니다: `{ $given }`
    .label = { $cause }
    .cure = 이름, 레이블, 값의 순서로 쓰십시오: 'cpu{"{"}ip="a"{"}"} 95x4 85-5x3 _x2 stale'. 95x4는 95 하나에 4번 더, _x2는 빈 값 둘이며, 값 하나가 간격 하나입니다
bad-expectation = 기대하는 상태가 아닙니다: `{ $given }`
    .label = { $cause }
    .cure = 상태와 시각을 쓰십시오: "critical@2m", "ok@9m{"{"}ip='a'{"}"}". 상태는 ok, pending, warning, critical, recovering입니다
    .meant = 혹시 `{ $meant }` 아닙니까?
test-of-other-metric = 이 평가기가 읽지 않는 메트릭입니다: `{ $given }`
    .label = 읽는 메트릭: `{ $metric }`
    .cure = `{ $metric }` 이름으로 쓰거나 이름을 빼십시오
test-of-no-level = 이 평가기에 없는 심각도입니다: `{ $severity }`
    .label = 일어날 수 없는 일
    .cure = 평가기에 `{ $severity } = …` 줄을 더하거나 다른 심각도를 기대하십시오
test-between-slots = 평가하지 않는 시각입니다: { $at }
    .label = 두 평가 시점의 사이
    .cure = { $before } 또는 { $after } 시각에 기대하십시오. 이 테스트는 { $every }마다 평가하며, 테스트의 `interval`로 바꿀 수 있습니다
test-too-long = 평가 횟수가 너무 많은 테스트입니다: { $most }번 넘음
    .label = { $every }마다 평가하면 곧 끝나지 않음
    .cure = 더 이른 시각까지만 기대하거나 테스트의 `interval`을 늘리십시오

expect-holds = 있어야 할 것이 없어도 알람이 되지 않습니다
    .label = `then`이 "hold"이면 아무도 모름
    .cure = no_data = {"{"} then = "alarm" {"}"}를 더하십시오
unread-source = 아무도 읽지 않는 소스입니다: `{ $name }`
    .label = 어느 `inputs`에도 없음
    .cure = 평가기나 싱크의 `inputs`에 "{ $name }" 이름을 더하거나, 소스를 지우십시오
unknown-metric = 이 평가기의 소스가 내지 않는 메트릭입니다: `{ $metric }`
    .label = 다음 소스의 메트릭에 없음: { $inputs }
    .cure = 플러그인의 문서에서 메트릭을 보십시오
    .meant = 혹시 `{ $meant }` 아닙니까?
