package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func boot() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text))
}

func namespace() string {
	name, _ := os.Readlink("/proc/self/ns/pid")
	return name
}

// start is field 22 of /proc/PID/stat. The second field, the program's name in
// parentheses, may hold anything. A zombie has ended.
func start(pid int) (ticks uint64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, false
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return 0, true
	}
	ticks, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return ticks, err == nil
}
