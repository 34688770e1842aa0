package execute

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group of its own, so that a Ctrl-C at
// the terminal reaches it only through us, and stopping it stops its children.
// The kernel kills it when we die without a chance to stop it. It goes by the
// thread that starts the command: that one must live as long as the command.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
