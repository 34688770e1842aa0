package xla

import (
	"errors"
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// Try compiles and runs a small convolution with an exponential function behind
// it on the client's first device, in a precision, and says what keeps it from
// the right result.
func Try(c *pjrt.Client, precision engine.Precision, more ...pjrt.Flag) error {
	k, err := atRest(precision)
	if err != nil {
		return err
	}
	const size, channels = 8, 16
	l := &lowering{emitter: &emitter{}}
	image := l.argument(f32, []int{1, size, size, size, channels})
	weight := l.constant(1.0/128, k, []int{channels, 3, 3, 3, channels})
	y := l.forward(l.convert(image, k), weight, ones, ones, image.shape)
	module := l.module("try", l.unary("exponential", l.unary("negate", l.convert(y, f32))))
	x, err := withoutFusion(append(flags(c), more...), func(f []pjrt.Flag) (*pjrt.Executable, error) { return c.Compile(module, f...) })
	if err != nil {
		return err
	}
	got, err := runOnOnes(c, x, engine.Size(image.shape), image.shape)
	if err = errors.Join(err, x.Close()); err != nil {
		return err
	}
	// exp(-27·16/128) in the middle, exp(-8·16/128) in a corner
	middle, corner := got[engine.Size(image.shape)/2+channels*(size*size/2+size/2)], got[0]
	if !near(middle, 0.03421812) || !near(corner, 0.36787944) {
		return fmt.Errorf("a convolution gives %g and %g where 0.03422 and 0.3679 are right", middle, corner)
	}
	return nil
}

func near(got, want float32) bool { return got > 0.99*want && got < 1.01*want }

// runOnOnes runs a program of one argument and one result, both of a shape.
func runOnOnes(c *pjrt.Client, x *pjrt.Executable, size int, shape []int) ([]float32, error) {
	data := make([]float32, size)
	for i := range data {
		data[i] = 1
	}
	in, err := pjrt.Upload(c, c.Devices[0], data, shape...)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := x.Run([]*pjrt.Buffer{in})
	if err != nil {
		return nil, err
	}
	defer release(out)
	return data, pjrt.Download(out[0], len(shape), data)
}
