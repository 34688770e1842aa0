package execute

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
)

// resident is the memory that a process holds, in bytes; 0 where that is not
// known. Files that it has mapped do not count: the system takes their memory
// back whenever it needs it.
func resident(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 3 {
		return 0
	}
	pages, _ := strconv.Atoi(string(fields[1]))
	mapped, _ := strconv.Atoi(string(fields[2]))
	return (pages - mapped) * os.Getpagesize()
}

// preferred makes a process the one to end where the system is short of memory,
// rather than the run that it works for.
func preferred(pid int) {
	os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte("500"), 0o644)
}

// oomKills counts the processes of our control group that the system ended for
// want of memory; 0 where it does not tell.
func oomKills() int {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	most := 0
	for l := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(l), ":", 3)
		if len(parts) < 3 {
			continue
		}
		for _, file := range []string{
			path.Join("/sys/fs/cgroup", parts[2], "memory.events"), "/sys/fs/cgroup/memory.events",
			path.Join("/sys/fs/cgroup/memory", parts[2], "memory.oom_control"), "/sys/fs/cgroup/memory/memory.oom_control",
		} {
			if text, err := os.ReadFile(file); err == nil {
				most = max(most, counter(string(text), "oom_kill"))
			}
		}
	}
	return most
}

// counter reads "name 3" among lines.
func counter(text, name string) int {
	for l := range strings.Lines(text) {
		if f := strings.Fields(l); len(f) == 2 && f[0] == name {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}
