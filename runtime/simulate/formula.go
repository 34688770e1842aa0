package simulate

import (
	"encoding/json"
	"fmt"
	"math"
	"os"

	"runspec/compiler/space"
)

// Formula is a closed form of validation loss and hours of a training. Its
// shape is fixed, its constants are data.
type Formula struct {
	Constants Constants              `json:"constants"`
	Ranges    map[string]scale       `json:"ranges_for_u"` // of the parameters that enter by their place in a logarithmic range
	Defaults  map[string]space.Value `json:"nas_defaults"` // of the network's parameters, where a space has none

	Architecture Architecture `json:"architecture"` // of a space with derivations
}

// Constants are a formula's numbers. Penalties and times are by choice.
type Constants struct {
	LROpt    map[string]float64 `json:"lr_opt"` // best place of the learning rate, by optimiser
	OptPen   map[string]float64 `json:"opt_pen"`
	SchedPen map[string]float64 `json:"sched_pen"`
	LossPen  map[string]float64 `json:"loss_pen"`
	EncPen   map[string]float64 `json:"enc_pen"`
	ActPen   map[string]float64 `json:"act_pen"`
	NormPen  map[string]float64 `json:"norm_pen"`
	OptTime  map[string]float64 `json:"opt_time"`
	LossTime map[string]float64 `json:"loss_time"`
	EncTime  map[string]float64 `json:"enc_time"`
	ActTime  map[string]float64 `json:"act_time"`
	NormTime map[string]float64 `json:"norm_time"`

	WLR     float64   `json:"w_lr"` // weights w_ and optima _opt of quadratic terms
	WMom    float64   `json:"w_mom"`
	MomOpt  float64   `json:"mom_opt"`
	WWD     float64   `json:"w_wd"`
	WDOpt   float64   `json:"wd_opt"`
	WInt    float64   `json:"w_int"` // of learning rate with weight decay
	WOSF    float64   `json:"w_osf"`
	OSFOpt  float64   `json:"osf_opt"`
	WAug    float64   `json:"w_aug"`
	AugOpt  float64   `json:"aug_opt"`
	Ripple  float64   `json:"ripple"`
	RippleK float64   `json:"ripple_k"`
	WCap    float64   `json:"w_cap"` // of the network's capacity
	CapOpt  float64   `json:"cap_opt"`
	DropOpt float64   `json:"drop_opt"`
	WDrop   float64   `json:"w_drop"`
	Floor   float64   `json:"floor"` // loss of a perfect configuration
	Span    float64   `json:"span"`
	Start   float64   `json:"start"` // loss before training
	Tau0    float64   `json:"tau0"`  // epochs
	TauAug  float64   `json:"tau_aug"`
	Beta0   float64   `json:"beta0"`
	BetaLR  float64   `json:"beta_lr"`
	Sec0    float64   `json:"sec0"` // seconds per epoch
	AugTime float64   `json:"aug_time"`
	OSFTime float64   `json:"osf_time"`
	Bounds  Bounds    `json:"bounds"`
	Ref     []float64 `json:"ref"`
}

// Bounds are what the measure normalises the objectives by.
type Bounds struct {
	Loss    [2]float64 `json:"loss"`
	Runtime [2]float64 `json:"runtime"` // hours
}

// scale is a logarithmic range.
type scale struct{ low, high float64 }

// UnmarshalJSON reads [low, high, true].
func (s *scale) UnmarshalJSON(text []byte) error {
	var log bool
	err := json.Unmarshal(text, &[]any{&s.low, &s.high, &log})
	if err == nil && (!log || s.low <= 0 || s.high <= s.low) {
		err = fmt.Errorf("a range is [low, high, true] with 0 < low < high, not %s", text)
	}
	return err
}

// place is where v lies in the range, from 0 to 1.
func (s scale) place(v float64) float64 {
	return (math.Log(v) - math.Log(s.low)) / (math.Log(s.high) - math.Log(s.low))
}

// BuiltIn is the formula that comes with the program.
func BuiltIn() (Formula, error) {
	var f Formula
	return f, decode("formula.json", &f)
}

// ReadFormula reads a formula's constants from a file, such as a changed copy
// of data/formula.json. Constants that it does not name keep their values.
func ReadFormula(path string) (Formula, error) {
	f, err := BuiltIn()
	if err != nil {
		return f, err
	}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		return f, fmt.Errorf("formula %s: %w", path, err)
	}
	if len(f.Constants.Ref) != 2 {
		return f, fmt.Errorf("formula %s: constants.ref has %d numbers; give it one for each of the two objectives", path, len(f.Constants.Ref))
	}
	return f, nil
}

// reader reads a configuration's values and keeps the first thing that is
// wrong with them.
type reader struct {
	c, defaults space.Configuration
	network     network
	err         error
}

func (r *reader) value(name string) space.Value {
	if v, ok := r.c[name]; ok {
		return v
	}
	return r.defaults[name]
}

func (r *reader) number(name string) float64 {
	v, ok := r.value(name).Float()
	if !ok && r.err == nil {
		r.err = fmt.Errorf("the formula wants a number for %s, which is %v", name, r.value(name))
	}
	return v
}

// among is what a table has for a choice, or the mean for the choices of the
// derivation.
func (r *reader) among(name string, table map[string]float64) float64 {
	choices := r.network.choices[name]
	if len(choices) == 0 {
		choices = []space.Value{r.value(name)}
	}
	total := 0.0
	for _, choice := range choices {
		text, _ := choice.Text()
		v, ok := table[text]
		if !ok && r.err == nil {
			r.err = fmt.Errorf("the formula knows no %s %v", name, choice)
		}
		total += v
	}
	return total / float64(len(choices))
}

// Evaluate gives loss and hours after some epochs.
func (f Formula) Evaluate(c space.Configuration, epochs float64) ([]float64, error) {
	n, err := f.network(c)
	if err != nil {
		return nil, err
	}
	r := &reader{c: c, defaults: f.Defaults, network: n}
	k := f.Constants
	aug, rate := r.number("aug_factor"), f.Ranges["initial_lr"].place(r.number("initial_lr"))
	final := k.Floor + k.Span*(1-math.Exp(-max(f.penalty(r, rate, aug), 0)))
	tau, beta := k.Tau0+k.TauAug*aug, k.Beta0+k.BetaLR*rate
	loss := final + (k.Start-final)*math.Pow(1+epochs/tau, -beta)
	hours := f.seconds(r, aug) * epochs / 3600
	return []float64{loss, hours}, r.err
}

// penalty is how far a configuration is from the best, q of the formula.
func (f Formula) penalty(r *reader, rate, aug float64) float64 {
	k := f.Constants
	dl := rate - r.among("optimizer", k.LROpt)
	dw := f.Ranges["weight_decay"].place(r.number("weight_decay")) - k.WDOpt
	q := r.among("optimizer", k.OptPen) + k.WLR*dl*dl + k.WWD*dw*dw + k.WInt*dl*dw
	if r.value("optimizer") == space.Text("SGD") {
		q += k.WMom * square(f.Ranges["momentum"].place(r.number("momentum"))-k.MomOpt)
	}
	q += r.among("lr_scheduler", k.SchedPen) + r.among("loss_function", k.LossPen)
	q += k.WOSF*square(r.number("oversample_foreground_percent")-k.OSFOpt) + k.WAug*square((aug-k.AugOpt)/3)
	q += k.Ripple * (1 - math.Cos(2*math.Pi*k.RippleK*dl))
	base, wide := f.features(r)
	capacity := math.Log2(base) + 0.5*math.Log2(wide) + 0.4*(r.number("model_scale")-1) + f.capacity(r.network)
	q += k.WCap * square(capacity-k.CapOpt)
	q += r.among("encoder_type", k.EncPen) + r.among("activation", k.ActPen) + r.among("normalization", k.NormPen)
	return q + k.WDrop*square(r.number("dropout_rate")-k.DropOpt)
}

// features are the network's first and largest width, relative to nnU-Net's.
func (f Formula) features(r *reader) (base, wide float64) {
	return r.number("base_num_features") / 32, r.number("max_features") / 320
}

// seconds is what an epoch takes.
func (f Formula) seconds(r *reader, aug float64) float64 {
	k := f.Constants
	base, wide := f.features(r)
	size := math.Pow(base, 1.3) * math.Pow(wide, 0.4) * (1 + 0.30*(r.number("model_scale")-1)) * f.work(r.network)
	return k.Sec0 * r.among("optimizer", k.OptTime) * r.among("loss_function", k.LossTime) * r.among("encoder_type", k.EncTime) *
		r.among("activation", k.ActTime) * r.among("normalization", k.NormTime) *
		(1 + k.AugTime*aug/3) * (1 + k.OSFTime*r.number("oversample_foreground_percent")) * (0.4 + 0.6*size)
}

func square(x float64) float64 { return x * x }
