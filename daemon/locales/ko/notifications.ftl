# 싱크에 전달하는 알람 문구. 다른 언어와 키와 변수가 같다.

# 전달하는 이유에 따른 알람의 상태.
state-firing = { $severity ->
    [critical] 심각
   *[warning] 경고
}
state-repeat = { $severity ->
    [critical] 심각 지속
   *[warning] 경고 지속
}
state-reopened = { $severity ->
    [critical] 심각 재개
   *[warning] 경고 재개
}
state-escalated = { $severity ->
    [critical] 심각 미조치
   *[warning] 경고 미조치
}
state-flapping = { $severity ->
    [critical] 심각 반복
   *[warning] 경고 반복
}
state-digest = { $severity ->
    [critical] 심각 모음
   *[warning] 경고 모음
}
state-resolved = 해소
state-closed = 종결

# 알람 하나에 대한 나머지 내용.
fact-value = 값
fact-since = 발생
fact-resolved = 해소
fact-closed = 종결
fact-why = 사유
fact-labels = 레이블
fact-runbook = 조치 안내
fact-alarm = 알람
fact-line = 로그

# 여러 알람.
count-firing = 알람 { $firing }건
count-ended = 알람 { $ended }건 종료
count-both = 알람 { $firing }건, 종료 { $ended }건
alarm-new = 신규
more = … 외 { $count }건

# 전달하는 이유.
why-first = 새로 발생
why-new-alarms = 알람 추가
why-worse = 악화
why-better = 완화, 지속 중
why-resolved = 모두 해소
why-some-resolved = 일부 해소
why-repeat = 지속 중
why-closed = 더 이상 감시하지 않음
why-reopened = 담당자가 다시 엶
why-escalated = 제때 조치되지 않음
why-flapping = 발생과 해소를 반복
why-digest = 한꺼번에 많이 변함
why-other = 변경

# haetae 자체에 대한 알람, 대상의 이름 뒤에 온다.
problem-source-down = 응답하지 않습니다
problem-sink-failing = 전달하지 못하고 있습니다
problem-plugin-panicked = 비정상 종료되어 다시 시작했습니다
problem-hung = 멈춰 있습니다
problem-limit-exceeded = 한도를 넘었습니다
problem-dead-letters = 전달을 포기했습니다
problem-slots-missed = 평가 시점을 놓쳤습니다
problem-alarms-over-limit = 경보가 한도보다 많습니다
problem-queue-filling = 대기열이 차오르고 있습니다
problem-queue-damaged = 대기열이 손상되었습니다
problem-store-failing = 기록하지 못하고 있습니다
problem-store-lost = 기록의 일부를 잃었습니다
problem-state-lost = 원래 위치에 없습니다
problem-disk-full = 디스크에 남은 공간이 없습니다
problem-stage-failed = 내부 처리 단계를 다시 시작했습니다
problem-clock-jumped = 시각이 갑자기 바뀌었습니다
problem-reload-failed = 이전 설정으로 계속 동작합니다
