package plan

// Requires is what a machine must have for an experiment to begin.
type Requires struct {
	Accelerator string `json:"accelerator,omitempty"` // "gpu"; "": none
	Data        bool   `json:"data,omitempty"`        // all data sets at hand, so that none is downloaded
}

// GPU is the accelerator that an experiment may require.
const GPU = "gpu"

// Any says whether something is required.
func (r Requires) Any() bool { return r != Requires{} }
