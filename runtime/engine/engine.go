// Package engine is the training graph: our operations on Gorgonia's
// expression graph (a shape rule and a symbolic gradient each), the Program
// that an executor compiles once, and the plain values that go in and out. It
// holds no kernels: the executors in its sub-packages do.
//
// Activations are channels last, (N, D, H, W, C), where D, H, W are the axes
// z, y, x. Parameters cross the package's border in PyTorch's layout and under
// PyTorch's names, so that a State written by one executor loads in another.
package engine

// Tensor is a dense float32 array in C order.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Batch is one training or validation batch.
type Batch struct {
	Image  Tensor    // (N, D, H, W, C)
	Labels [][]int16 // per output, full resolution first: (N, D, H, W) at that output's resolution
	Made   any       // instead of both, for a Streamer: what its device makes the batch of
}

// LossKind names a loss function of Auto-nnU-Net's search space.
type LossKind string

// The losses; each is applied to every deep-supervision output with its weight.
const (
	DiceCE LossKind = "DiceAndCrossEntropyLoss"
	Dice   LossKind = "DiceLoss"
	CE     LossKind = "CrossEntropyLoss"
	TopK   LossKind = "TopKLoss" // the 10 % of voxels with the largest cross-entropy, over the batch
)

// Loss says what is minimised.
type Loss struct {
	Kind      LossKind
	BatchDice bool
	Ignore    int16     // label that counts nowhere; 0: none
	Regions   [][]int16 // labels of each output, for data sets with regions; nil: outputs are classes
	Weights   []float64 // per output, full resolution first; an output of weight 0 gets no gradient at all
}

// OptimizerKind names an optimiser of Auto-nnU-Net's search space.
type OptimizerKind string

// The optimisers, with PyTorch's formulas.
const (
	SGD   OptimizerKind = "SGD" // Nesterov momentum
	Adam  OptimizerKind = "Adam"
	AdamW OptimizerKind = "AdamW"
)

// Optimizer says how parameters follow their gradients.
type Optimizer struct {
	Kind        OptimizerKind
	Momentum    float64 // SGD
	WeightDecay float64
	AMSGrad     bool    // AdamW of Auto-nnU-Net
	Clip        float64 // bound on the global gradient norm, nnU-Net 12; 0: none
}

// Precision is the element type of activations and their gradients at rest.
// Parameters, optimiser state, statistics and losses are float32 in all of them.
type Precision string

// The precisions. FP16 scales the loss, as PyTorch's GradScaler does: a step whose
// gradients overflow is counted but changes nothing beside the scale, which is
// halved.
const (
	FP32 Precision = "fp32"
	BF16 Precision = "bf16"
	FP16 Precision = "fp16"
)

// Bytes are those of an activation.
func (p Precision) Bytes() int {
	if p == BF16 || p == FP16 {
		return 2
	}
	return 4
}

// ScalerSlot is the slot of a State in which FP16 keeps its loss scale: two
// tensors (1), ScalerScale and ScalerGrowth. Executors of other precisions take
// a State with it and leave it out of theirs; without it the scale starts anew.
const (
	ScalerSlot   = "scaler"
	ScalerScale  = "scale"
	ScalerGrowth = "growth" // steps since the scale changed
)

// The scale's course, GradScaler's defaults.
const (
	ScalerStart    = 65536
	ScalerBackoff  = 0.5
	ScalerGrow     = 2
	ScalerInterval = 2000 // steps without overflow until it grows
)

// Executor runs one compiled Program. It is not safe for concurrent use.
type Executor interface {
	// Step trains on one batch at the given learning rate and returns the loss
	// before the update. A non-finite loss or gradient leaves the parameters
	// as they were and returns ErrNotFinite.
	Step(b Batch, rate float64) (loss float64, err error)
	// Evaluate returns the loss and the full-resolution logits (N, D, H, W, K)
	// in evaluation mode. The logits are valid until the next call.
	Evaluate(b Batch) (loss float64, logits Tensor, err error)
	// Predict returns the full-resolution logits (N, D, H, W, K) of images of
	// the Program's patch and any N. They are valid until the next call.
	Predict(image Tensor) (logits Tensor, err error)
	// State copies parameters, buffers and optimiser state.
	State() State
	// Restore replaces them; names and shapes must be those of the Program.
	Restore(State) error
	// Close frees what the executor holds.
	Close() error
}

// State is all that training has changed so far.
type State struct {
	Steps      int                          // optimiser steps taken
	Parameters map[string]Tensor            // PyTorch's names and layout
	Buffers    map[string]Tensor            // running statistics of batch norm
	Slots      map[string]map[string]Tensor // optimiser state: slot ("momentum", "m", "v", "vmax") → parameter → tensor; and ScalerSlot
}
