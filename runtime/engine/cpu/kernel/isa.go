package kernel

import (
	"fmt"
	"os"
	"strings"
)

// instructions is one implementation of the inner loops.
type instructions struct {
	name string
	gemm []microGemm  // by falling width; the last one's width divides the others'
	wide []microOuter // outer products, widths as gemm's

	moments   func(x, shift, sum, square []float32)                                            // sums of x-shift and its square
	affine    func(x, y, scale, offset []float32, slope float32)                               // y = leaky(scale·x+offset)
	gradSums  func(x, dy, scale, offset, mean []float32, slope float32, sum, moment []float32) // sums of dz and dz·(x-mean)
	gradInput func(x, dy, dx, scale, offset, kx, k1 []float32, slope float32)                  // dx = scale·dz+kx·x+k1
	spread    func(in, out *[4][]float32)                                                      // Bᵀ of winograd, line by line
	gather    func(in *[4][]float32, y0, y1 []float32)                                         // Aᵀ of winograd
	curve     func(a Activation, x []float32, slope float32, y []float32)
	curveGrad func(a Activation, x, dy []float32, slope float32, dx []float32)
	add       func(y, a, b []float32)
	sub       func(y, a, b []float32)
	sgd       func(param, grad, buf []float32, c *sgdConstants)
	adam      func(param, grad, first, second, most []float32, c *adamConstants)

	peak  func(n int64) // 12·n independent multiply-adds of whole registers
	width int           // floats in a register
}

// Peak does about 24·n·width floating-point operations in registers alone, as fused
// multiply-adds, and gives their exact number: the speed to measure a kernel by. It
// does none, and gives 0, where the instruction set in use is portable.
func Peak(n int64) (operations int64) {
	if active.peak == nil {
		return 0
	}
	active.peak(n)
	return 2 * 12 * n * int64(active.width)
}

// microGemm computes a tile of rows×cols outputs.
type microGemm struct {
	rows, cols int
	run        func(*tile)
}

// microOuter adds to a tile of rows×cols weight gradients.
type microOuter struct {
	rows, cols int
	run        func(*outer)
}

// variable names the instruction set to use, from the environment.
const variable = "RUNSPEC_CPU"

// active is the implementation in use, wrong what Check says.
var active, wrong = choose(os.Getenv(variable))

// ISA names the instruction set in use: portable, avx2 or avx512.
func ISA() string { return active.name }

// Check says what is wrong with RUNSPEC_CPU: an error where it names no
// instruction set that this processor offers. A program asks before it
// computes anything, so that nobody takes one set's numbers for another's.
func Check() error { return wrong }

// Force selects an instruction set by name, as RUNSPEC_CPU does at the start.
// It must not run beside a kernel. An unknown or unsupported name is an error
// and changes nothing.
func Force(name string) error {
	for _, s := range available() {
		if s.name == name {
			active = s
			return nil
		}
	}
	return fmt.Errorf("instruction set %q is not one this processor offers (%s)", name, strings.Join(ISAs(), ", "))
}

// ISAs lists the instruction sets this processor offers, the best last.
func ISAs() []string {
	var names []string
	for _, s := range available() {
		names = append(names, s.name)
	}
	return names
}

// choose takes the named set, or the best one where the name is empty. With a
// name not to be had it takes the best one too, for want of another, and says so.
func choose(name string) (*instructions, error) {
	all := available()
	best := all[len(all)-1]
	if name == "" {
		return best, nil
	}
	for _, s := range all {
		if s.name == name {
			return s, nil
		}
	}
	return best, fmt.Errorf("environment variable %s: instruction set %q is not one this processor offers (%s); set one of these, or leave it unset for the best",
		variable, name, strings.Join(ISAs(), ", "))
}
