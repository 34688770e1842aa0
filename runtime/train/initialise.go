package train

import (
	"fmt"
	"math"
	"math/rand/v2"

	"runspec/compiler/unet"
	"runspec/runtime/engine"
)

// slope is the negative slope that nnU-Net's initialisation assumes, whatever
// the network's nonlinearity.
const slope = 0.01

// Initialise draws a network's parameters as nnU-Net does
// (nnunetv2.utilities.network_initialization.InitWeights_He): convolution
// weights from N(0, 2/((1+slope²)·fan_in)), where fan_in is the second axis
// times the kernel (the output channels of a transposed convolution); biases 0;
// norms 1 and 0, the last norm of a residual block 0 and 0; PReLU 0.25. The
// same seed gives the same parameters.
func Initialise(n unet.Network, seed uint64) (engine.State, error) {
	s := engine.State{Parameters: map[string]engine.Tensor{}}
	rng := rand.New(rand.NewPCG(seed, 0x1717))
	for _, p := range n.Parameters {
		data, err := initial(n.Blocks[p.Block], p, rng)
		if err != nil {
			return engine.State{}, err
		}
		s.Parameters[p.Name] = engine.Tensor{Shape: p.Shape, Data: data}
	}
	return s, nil
}

func initial(b unet.Block, p unet.Parameter, rng *rand.Rand) ([]float32, error) {
	size := 1
	for _, d := range p.Shape {
		size *= d
	}
	data := make([]float32, size)
	weight := p.Name == b.Name+".weight"
	switch {
	case b.Op == unet.Normalise && weight && !b.ZeroInit:
		fill(data, 1)
	case b.Op == unet.Normalise:
	case b.Op == unet.Activate:
		fill(data, 0.25)
	case !weight: // a convolution's bias
	case len(p.Shape) < 3:
		return nil, fmt.Errorf("parameter %s of shape %v has no rule of initialisation", p.Name, p.Shape)
	default:
		fan := size / p.Shape[0]
		std := math.Sqrt(2/(1+slope*slope)) / math.Sqrt(float64(fan))
		for i := range data {
			data[i] = float32(rng.NormFloat64() * std)
		}
	}
	return data, nil
}

func fill(data []float32, v float32) {
	for i := range data {
		data[i] = v
	}
}
