//go:build linux && !amd64

package kernel

func peakFlops() float64 { return 0 }
