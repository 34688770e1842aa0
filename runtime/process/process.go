// Package process names processes so that they can be told apart later, by
// another process, perhaps on another host: a number alone is used again. It
// neither starts nor stops any.
package process

import (
	"fmt"
	"os"
	"os/user"
	"strings"
	"sync"
)

// Process names one process.
type Process struct {
	User      string `json:"user"`
	Host      string `json:"host"`
	PID       int    `json:"pid"`
	Start     uint64 `json:"start,omitempty"`     // clock ticks after boot; 0 where the system does not tell
	Boot      string `json:"boot,omitempty"`      // the boot of the host that it ran under
	Namespace string `json:"namespace,omitempty"` // of process numbers: another container, other numbers
	Command   string `json:"command"`             // its words
}

// State says what is known about a process.
type State int

// The states.
const (
	Alive     State = iota
	Gone            // it has ended, or its host has been started anew
	Uncertain       // its number is in use, perhaps by another
	Elsewhere       // on another host, or in another container: it cannot be seen from here
)

// Self names this process.
var Self = sync.OnceValue(func() Process {
	p := Process{PID: os.Getpid(), Boot: boot(), Namespace: namespace(), Command: strings.Join(os.Args, " ")}
	p.Host, _ = os.Hostname()
	p.Start, _ = start(p.PID)
	p.User = os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		p.User = u.Username
	}
	return p
})

// State looks for the process.
func (p Process) State() State {
	self := Self()
	if p.Host != self.Host || p.Namespace != self.Namespace {
		return Elsewhere
	}
	if p.Boot != self.Boot || !exists(p.PID) {
		return Gone
	}
	now, ok := start(p.PID)
	switch {
	case !ok || p.Start == 0:
		return Uncertain
	case now != p.Start:
		return Gone
	}
	return Alive
}

func (p Process) String() string {
	return fmt.Sprintf("process %d of user %s on %s (%s)", p.PID, p.User, p.Host, p.Command)
}
