package cpu

// Memory is what an executor holds or plans to hold, in bytes.
type Memory struct {
	Weights   int // parameters, optimiser state, running statistics
	Gradients int // of parameters, from the first step on
	Step      int // the slab of a training step
	Evaluate  int // the slab of an evaluation; the largest that was used is held
	Predict   int // the slab of a prediction
	Packed    int // weights as predictions read them, from the first one on
	Scratch   int // of the kernels so far
}

// Memory tells the plan before anything has run. A process that trains holds
// Weights, Gradients, Step and Scratch.
func (e *Executor) Memory() Memory {
	m := Memory{Scratch: e.pool.ScratchBytes()}
	for i, v := range e.weights.Values {
		m.Weights += 4 * len(v)
		if e.program.Train.Gradients[i] >= 0 {
			m.Gradients += 4 * len(v)
		}
	}
	for _, slot := range e.weights.Slots {
		for _, v := range slot {
			m.Weights += 4 * len(v)
		}
	}
	for _, n := range e.weights.Norms {
		m.Weights += 8 * len(n[0])
	}
	if e.step != nil {
		m.Step, m.Evaluate, m.Predict = 4*e.step.size, 4*e.evaluate.size, 4*e.predict.size
		for i := range e.predict.kept {
			m.Packed += e.predict.kept[i].Bytes()
		}
	}
	return m
}
