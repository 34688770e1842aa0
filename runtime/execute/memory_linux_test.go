package execute

import (
	"os"
	"testing"
)

func TestResident(t *testing.T) {
	if n := resident(os.Getpid()); n < 1<<20 || n > 1<<40 {
		t.Errorf("this process holds %d bytes", n)
	}
	if n := resident(1 << 22); n != 0 {
		t.Errorf("a process that is not holds %d bytes", n)
	}
}

func TestCounter(t *testing.T) {
	events := "low 0\nhigh 1\nmax 22\noom 3\noom_kill 4\noom_group_kill 5\n"
	if n := counter(events, "oom_kill"); n != 4 {
		t.Errorf("%d, want 4", n)
	}
	if n := counter("", "oom_kill"); n != 0 {
		t.Errorf("%d, want 0", n)
	}
}
