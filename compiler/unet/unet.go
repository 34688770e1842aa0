// Package unet holds the only definition of the U-Net: a Network is plain
// data (a list of blocks), built from a stage table, from which shapes,
// parameter, memory and FLOP counts follow. It knows no engine and no tensor;
// an engine walks the blocks.
package unet

// Norm names a normalisation layer.
type Norm string

// The normalisations that nnU-Net and Auto-nnU-Net use.
const (
	InstanceNorm Norm = "InstanceNorm"
	BatchNorm    Norm = "BatchNorm"
)

// Activation names a nonlinearity.
type Activation string

// The nonlinearities of Auto-nnU-Net's search space.
const (
	LeakyReLU Activation = "LeakyReLU" // slope 0.01
	ReLU      Activation = "ReLU"
	ELU       Activation = "ELU"   // alpha 1
	GELU      Activation = "GELU"  // exact, by erf
	PReLU     Activation = "PReLU" // one parameter, initially 0.25
)

// Encoder names the kind of encoder stage.
type Encoder string

// The encoders of nnU-Net.
const (
	Plain    Encoder = "plain"    // PlainConvUNet: a stack of conv-norm-activation
	Residual Encoder = "residual" // ResidualEncoderUNet: stem and BasicBlockD
)

// Stage is one resolution level of the encoder.
type Stage struct {
	Features int    `json:"features"`
	Blocks   int    `json:"blocks"` // convolutions (plain) or residual blocks
	Kernel   [3]int `json:"kernel"` // (z, y, x); 2-D networks have 1 in z
	Stride   [3]int `json:"stride"` // (z, y, x) of the stage's first convolution
}

// Architecture is the stage table that a planner, a configuration or a
// derivation yields; Build turns it into a Network.
type Architecture struct {
	Dim           int        `json:"dim"` // 2 or 3; 2-D keeps z as an axis of length 1
	InputChannels int        `json:"inputChannels"`
	Classes       int        `json:"classes"` // output channels (heads), background included
	Encoder       Encoder    `json:"encoder"`
	Stages        []Stage    `json:"stages"`
	DecoderBlocks []int      `json:"decoderBlocks"` // convolutions per decoder stage, from the bottleneck upwards; len(Stages)-1
	Norm          Norm       `json:"norm"`          // of the encoder, as the next two
	Activation    Activation `json:"activation"`
	Dropout       float64    `json:"dropout"` // channel dropout rate; 0: none

	DecoderSide *Side `json:"decoderSide,omitempty"` // the decoder's own norm, activation and dropout; nil: the encoder's
}

// Side is what one half of a U-Net has throughout.
type Side struct {
	Norm       Norm       `json:"norm"`
	Activation Activation `json:"activation"`
	Dropout    float64    `json:"dropout"` // channel dropout rate; 0: none
}

// Sides are the encoder's and the decoder's.
func (a Architecture) Sides() (encoder, decoder Side) {
	encoder = Side{a.Norm, a.Activation, a.Dropout}
	if a.DecoderSide != nil {
		return encoder, *a.DecoderSide
	}
	return encoder, encoder
}

// Op names what a Block computes.
type Op string

// The operations a Network consists of.
const (
	Conv        Op = "conv"      // convolution with bias unless NoBias, padding (kernel-1)/2
	Transpose   Op = "transpose" // transposed convolution, kernel = stride, with bias
	Normalise   Op = "norm"      // Block.Norm, affine, eps 1e-5
	Activate    Op = "activate"  // Block.Activation
	Drop        Op = "dropout"   // whole channels at Block.Rate, only while training
	Concat      Op = "concat"    // In[0] channels first, then In[1]
	Add         Op = "add"       // elementwise
	AveragePool Op = "avgpool"   // kernel = stride
	Head        Op = "head"      // 1x1x1 convolution to Classes with bias: logits
)

// Block is one node of a Network. Inputs are indices of earlier blocks; -1 is
// the input image.
type Block struct {
	Op         Op         `json:"op"`
	Name       string     `json:"name"` // PyTorch's module path, e.g. "encoder.stages.0.0.convs.0.conv"; parameters are Name+".weight", Name+".bias"
	In         []int      `json:"in"`
	Channels   [2]int     `json:"channels"` // input, output
	Kernel     [3]int     `json:"kernel"`   // conv, transpose, avgpool
	Stride     [3]int     `json:"stride"`   // conv, transpose, avgpool
	NoBias     bool       `json:"noBias,omitempty"`
	Norm       Norm       `json:"norm,omitempty"`       // norm
	Activation Activation `json:"activation,omitempty"` // activate
	Rate       float64    `json:"rate,omitempty"`       // dropout
	ZeroInit   bool       `json:"zeroInit,omitempty"`   // last norm of a residual block: weight and bias start at 0
}

// Parameter is one learnable tensor in PyTorch's layout: convolution
// (out, in, kz, ky, kx), transposed convolution (in, out, kz, ky, kx), 1-D for
// the rest. 2-D networks list the z kernel length 1 too; exporters drop it.
type Parameter struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	Block int    `json:"block"` // index of the block that owns it
}

// Network is the U-Net as data.
type Network struct {
	Architecture Architecture `json:"architecture"`
	Blocks       []Block      `json:"blocks"`
	Outputs      []int        `json:"outputs"`    // head blocks, full resolution first (deep supervision order)
	Parameters   []Parameter  `json:"parameters"` // PyTorch's named_parameters order
}
