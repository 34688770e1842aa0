//go:build !linux

package process

func boot() string { return "" }

func namespace() string { return "" }

func start(int) (ticks uint64, ok bool) { return 0, false }
