package train

import (
	"fmt"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/engine"
)

// NewPredictor makes a configuration's network with trained parameters, ready
// to predict: an executor whose Predict answers patches of the configuration's
// size. Only parameters and buffers of the state count.
func NewPredictor(c nnunet.Configuration, s engine.State, at Place) (engine.Executor, error) {
	n, err := unet.Build(c.Architecture)
	if err != nil {
		return nil, fmt.Errorf("network of %s: %w", c.Name, err)
	}
	batch := 1
	if at.Device != nil {
		batch = 1 << c.Architecture.Dim // a window with all its flips
	}
	p, err := Build(n, GraphOptions{
		Batch: batch, Patch: c.Patch3(),
		// Neither is used; a loss over regions may have a single output.
		Loss:      engine.Loss{Kind: engine.CE, Regions: make([][]int16, c.Architecture.Classes)},
		Optimizer: engine.Optimizer{Kind: engine.SGD},
	})
	if err != nil {
		return nil, fmt.Errorf("network of %s: %w", c.Name, err)
	}
	e, err := newExecutor(p, at)
	if err != nil {
		return nil, err
	}
	if err := e.Restore(engine.State{Parameters: s.Parameters, Buffers: s.Buffers}); err != nil {
		e.Close()
		return nil, fmt.Errorf("parameters of %s: %w", c.Name, err)
	}
	return e, nil
}
