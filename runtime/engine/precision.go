package engine

// Precision names the element type of activations and their gradients at rest.
// Parameters, optimiser state, statistics and losses are float32 in all of them.
type Precision string

// The precisions. Half precision scales its loss, as PyTorch's GradScaler does.
const (
	FP32 Precision = "fp32"
	BF16 Precision = "bf16"
	FP16 Precision = "fp16"
)
