// Package xla runs a Program through an XLA plug-in: on GPUs, and on processors
// for tests. Each graph becomes StableHLO text (lower.go and its families), is
// compiled once, and runs as one executable: a whole training step with its
// optimiser, an evaluation, a prediction. Parameters, optimiser state and running
// statistics stay on the device; a step takes their memory for the new ones.
// Nothing waits for a step (stream.go): batches go up, or are made of a data set
// that lies on the device (resident.go), and sums come down at the end.
//
// Activations lie as (N, D, H, W, C), weights as (O, D, H, W, I). It binds to
// plug-ins in package pjrt, and knows no network.
package xla

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// Options are the executor's own.
type Options struct {
	Client      *pjrt.Client
	Device      int              // index into the client's devices
	Precision   engine.Precision // of activations and their gradients at rest; "": FP32
	Executables string           // folder of compiled programs, which later executors load; "": none are kept
	Libraries   string           // what these programs call besides the plug-in; other ones make other programs
	Flags       []pjrt.Flag      // of XLA, beside those that every program gets
}

// Executor implements engine.Executor.
type Executor struct {
	program *engine.Program
	client  *pjrt.Client
	device  pjrt.Device
	weights *engine.Weights // checks states, and holds what was restored last
	steps   int

	activations kind // element type of activations at rest
	compiler    compiler

	step, evaluate, monitor, predict part
	forward                          part // full-resolution logits of a whole batch
	canvases                         map[[3]int]*canvas
	residents                        []*resident

	parameters []*pjrt.Buffer
	slots      map[string][]*pjrt.Buffer
	norms      [][2]*pjrt.Buffer
	scaling    scaling
}

// New compiles p for a device. Parameters are zero until Restore.
func New(p *engine.Program, o Options) (engine.Executor, error) {
	if o.Client == nil || o.Device < 0 || o.Device >= len(o.Client.Devices) {
		return nil, fmt.Errorf("xla: there is no device %d", o.Device)
	}
	activations, err := atRest(o.Precision)
	if err != nil {
		return nil, fmt.Errorf("xla: %w", err)
	}
	e := &Executor{program: p, activations: activations, client: o.Client, device: o.Client.Devices[o.Device], weights: engine.NewWeights(p)}
	e.compiler = compiler{client: o.Client, kind: e.device.Kind, flags: append(flags(o.Client), o.Flags...), libraries: o.Libraries, folder: o.Executables}
	e.parts()
	if err := errors.Join(e.upload(), e.uploadScaling(engine.State{})); err != nil {
		return nil, errors.Join(fmt.Errorf("xla: %w", err), e.Close())
	}
	return e, nil
}

// part is one of the program's executables, compiled when it is first asked for.
type part struct {
	name  string
	lower func() (string, error)
	*pjrt.Executable
}

func (e *Executor) parts() {
	p, k := e.program, e.activations
	e.step = part{name: "training step", lower: func() (string, error) { return lowerStep(p, k) }}
	e.evaluate = part{name: "evaluation", lower: func() (string, error) { return lowerForward(p, p.Evaluate, k) }}
	e.monitor = part{name: "validation", lower: func() (string, error) { return lowerMonitor(p, k) }}
	whole := engine.Graph{Nodes: p.Evaluate.Nodes, Loss: -1, Logits: p.Evaluate.Logits[:1]}
	e.forward = part{name: "prediction of batches", lower: func() (string, error) { return lowerForward(p, whole, k) }}
	e.predict = part{name: "prediction", lower: func() (string, error) { return lowerForward(p, p.Predict, k) }}
}

// ready compiles a part that has not been asked for.
func (e *Executor) ready(p *part) error {
	if p.Executable != nil {
		return nil
	}
	text, err := p.lower()
	if err == nil {
		p.Executable, err = e.compiler.compile(text)
	}
	if err != nil {
		return fmt.Errorf("compile the %s: %w", p.name, err)
	}
	return nil
}

// Prepare compiles what an epoch of training runs, so that none of it is compiled
// while an epoch's time is taken.
func (e *Executor) Prepare() error {
	err := errors.Join(e.ready(&e.step), e.ready(&e.monitor))
	for _, r := range e.residents {
		for _, p := range r.parts() {
			err = errors.Join(err, e.ready(p))
		}
	}
	if err != nil {
		return fmt.Errorf("xla: %w", err)
	}
	return nil
}

// run runs a part.
func (e *Executor) run(p *part, inputs []*pjrt.Buffer) ([]*pjrt.Buffer, error) {
	if err := e.ready(p); err != nil {
		return nil, err
	}
	return p.Run(inputs)
}

// Step implements engine.Executor.
func (e *Executor) Step(b engine.Batch, rate float64) (float64, error) {
	return e.Learn(slices.Values([]engine.Batch{b}), rate)
}

// settings are the optimiser's at the coming step, as settingsSize lists them.
func (e *Executor) settings(rate float64) []float32 {
	t, o := float64(e.steps+1), e.program.Optimizer
	first, second := 1-math.Pow(engine.Beta1, t), 1-math.Pow(engine.Beta2, t)
	return []float32{float32(rate), float32(rate / first), float32(math.Sqrt(second)), float32(o.WeightDecay), float32(o.Momentum)}
}

// state lists what a step replaces, in the order of its results.
func (e *Executor) state() (at []**pjrt.Buffer) {
	for i := range e.parameters {
		if e.program.Train.Gradients[i] < 0 {
			continue
		}
		at = append(at, &e.parameters[i])
		for _, name := range e.program.Optimizer.SlotNames() {
			at = append(at, &e.slots[name][i])
		}
	}
	for i := range e.norms {
		at = append(at, &e.norms[i][0], &e.norms[i][1])
	}
	for i := range e.scaling {
		at = append(at, &e.scaling[i])
	}
	return at
}

// inputs lists the state in the order of the arguments.
func (e *Executor) inputs(training bool) (list []*pjrt.Buffer) {
	list = append(list, e.parameters...)
	for _, pair := range e.norms {
		list = append(list, pair[0], pair[1])
	}
	if !training {
		return list
	}
	for _, name := range e.program.Optimizer.SlotNames() {
		for _, b := range e.slots[name] {
			if b != nil {
				list = append(list, b)
			}
		}
	}
	return append(list, e.scaling...)
}

func release(list []*pjrt.Buffer) {
	for _, b := range list {
		b.Close()
	}
}

// Evaluate implements engine.Executor.
func (e *Executor) Evaluate(b engine.Batch) (float64, engine.Tensor, error) {
	if err := e.program.CheckBatch(b); err != nil {
		return 0, engine.Tensor{}, err
	}
	f := &flight{}
	defer f.land()
	if err := e.load(f, b, nil); err != nil {
		return 0, engine.Tensor{}, fmt.Errorf("xla: %w", err)
	}
	out, err := e.run(&e.evaluate, append(e.inputs(false), f.cargo...))
	if err != nil {
		return 0, engine.Tensor{}, fmt.Errorf("xla: %w", err)
	}
	defer release(out)
	var loss [1]float32
	g := e.program.Evaluate
	logits, err := download(out[1], g.Nodes[g.Logits[0]].Shape)
	if err := errors.Join(err, pjrt.Download(out[0], 0, loss[:])); err != nil {
		return 0, engine.Tensor{}, fmt.Errorf("xla: %w", err)
	}
	return float64(loss[0]), logits, nil
}

// Predict implements engine.Executor. Images go through one by one.
func (e *Executor) Predict(image engine.Tensor) (engine.Tensor, error) {
	if err := e.program.CheckImage(image); err != nil {
		return engine.Tensor{}, err
	}
	n := image.Shape[0]
	each := len(image.Data) / n
	var all engine.Tensor
	for i := range n {
		one, err := e.predictOne(image.Data[i*each:][:each])
		if err != nil {
			return engine.Tensor{}, fmt.Errorf("xla: %w", err)
		}
		all.Shape = append([]int{n}, one.Shape[1:]...)
		all.Data = append(all.Data, one.Data...)
	}
	return all, nil
}

func (e *Executor) predictOne(data []float32) (engine.Tensor, error) {
	p := e.program
	x, err := pjrt.Upload(e.client, e.device, data, 1, p.Patch[0], p.Patch[1], p.Patch[2], p.Channels)
	if err != nil {
		return engine.Tensor{}, err
	}
	defer x.Close()
	out, err := e.run(&e.predict, append(e.inputs(false), x))
	if err != nil {
		return engine.Tensor{}, err
	}
	defer release(out)
	return download(out[0], p.Predict.Nodes[p.Predict.Logits[0]].Shape)
}

func download(b *pjrt.Buffer, shape []int) (engine.Tensor, error) {
	t := engine.Tensor{Shape: shape, Data: make([]float32, engine.Size(shape))}
	return t, pjrt.Download(b, len(shape), t.Data)
}

// Close implements engine.Executor.
func (e *Executor) Close() error {
	e.free()
	var err error
	for _, r := range e.residents {
		err = errors.Join(err, r.close())
	}
	e.residents = nil
	parts := []*part{&e.step, &e.evaluate, &e.monitor, &e.predict, &e.forward}
	for _, c := range e.canvases {
		parts = append(parts, &c.empty, &c.cut, &c.blend, &c.mean)
	}
	for _, p := range parts {
		if p.Executable != nil {
			err = errors.Join(err, p.Executable.Close())
		}
		p.Executable = nil
	}
	return err
}
