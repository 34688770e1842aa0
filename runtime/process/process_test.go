package process

import (
	"os/exec"
	"runtime"
	"testing"
)

func TestStates(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells when a process began")
	}
	self := Self()
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Skip(err)
	}
	other := self
	other.PID = child.Process.Pid
	other.Start, _ = start(other.PID)
	want := func(what string, p Process, s State) {
		t.Helper()
		if got := p.State(); got != s {
			t.Errorf("%s: state %d, want %d", what, got, s)
		}
	}
	change := func(f func(*Process)) Process { p := self; f(&p); return p }
	want("this process", self, Alive)
	want("a child", other, Alive)
	want("the number used again", change(func(p *Process) { p.Start-- }), Gone)
	want("before the host's last start", change(func(p *Process) { p.Boot = "another" }), Gone)
	want("on another host", change(func(p *Process) { p.Host += "x" }), Elsewhere)
	want("in another container", change(func(p *Process) { p.Namespace = "pid:[1]" }), Elsewhere)
	want("of unknown beginning", change(func(p *Process) { p.Start = 0 }), Uncertain)
	child.Process.Kill()
	for range 1000 { // it stays a zombie until it is waited for
		if other.State() == Gone {
			break
		}
		runtime.Gosched()
	}
	child.Wait()
	want("a child that has ended", other, Gone)
}
