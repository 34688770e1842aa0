//go:build !linux

package execute

// What only Linux tells of a process's memory.

func resident(int) int { return 0 }

func preferred(int) {}

func oomKills() int { return 0 }
