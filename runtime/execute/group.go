package execute

import (
	"errors"
	"os/exec"
	"runtime"
	"time"
)

// Group runs a command that is no job to its end, in a process group of its own.
// When the command's context ends all of the group is asked to stop; grace later
// it is killed. None of the group is left when Group returns, whatever the
// command's end was.
func Group(cmd *exec.Cmd, grace time.Duration) error {
	ownGroup(cmd)
	cmd.WaitDelay = grace
	runtime.LockOSThread() // see ownGroup
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer sweep(cmd.Process.Pid)
	err := cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) { // it ended well; a child of its own held its output open
		return nil
	}
	return err
}
