//go:build unix && !linux

package execute

import (
	"os/exec"
	"syscall"
)

// ownGroup gives the command a process group of its own, so that a Ctrl-C at
// the terminal reaches it only through us, and stopping it stops its children.
// When we die without a chance to stop it, it ends as it next tells of an
// epoch, since nobody reads that any more.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}
