package xla

import (
	"fmt"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla/pjrt"
)

// atRest is the element type of activations between kernels.
func atRest(p engine.Precision) (kind, error) {
	switch p {
	case "", engine.FP32:
		return f32, nil
	case engine.BF16:
		return bf16, nil
	case engine.FP16:
		return f16, nil
	}
	return "", fmt.Errorf("precision %q has no lowering; there are %s, %s and %s", p, engine.FP32, engine.BF16, engine.FP16)
}

// scaler is the loss scale of float16 in a step's arguments: scalars as tensors
// (1). Gradients smaller than float16's least number would vanish without it.
type scaler struct{ scale, growth value }

// scales says whether the loss is scaled.
func (l *lowering) scales() bool { return l.arguments.scaler.scale.name != "" }

// declareScaler declares the scale, where activations are float16.
func (l *lowering) declareScaler() {
	if l.activations == f16 {
		l.arguments.scaler = scaler{l.argument(f32, []int{1}), l.argument(f32, []int{1})}
	}
}

// upscaled is the gradient of a loss, times the scale.
func (l *lowering) upscaled(dy value) value {
	if !l.scales() {
		return dy
	}
	return l.emitter.mul(dy, l.emitter.reshape(l.arguments.scaler.scale))
}

// downscaled is a gradient without the scale.
func (l *lowering) downscaled(g value) value {
	if !l.scales() {
		return g
	}
	e := l.emitter
	return e.div(g, e.broadcast(e.reshape(l.arguments.scaler.scale), g.shape))
}

// rescale moves the scale as PyTorch's GradScaler does: down after an overflow,
// up after many steps without one.
func (u *update) rescale() {
	if !u.scales() {
		return
	}
	old := u.arguments.scaler
	grown := u.add(old.growth, u.like(1, old.growth))
	due := u.compare("GE", grown, u.like(engine.ScalerInterval, grown))
	larger := u.scaled(old.scale, engine.ScalerGrow)
	inRange := u.isFinite(larger)
	scale := u.choose(u.binary("and", due, inRange), larger, old.scale)
	growth := u.choose(due, u.like(0, grown), grown)
	u.supersede(old.scale, u.choose(u.finite, scale, u.scaled(old.scale, engine.ScalerBackoff)))
	u.supersede(old.growth, u.choose(u.finite, growth, u.like(0, growth)))
}

// scaling is the loss scale on the device; empty unless activations are float16.
type scaling []*pjrt.Buffer

// scalerNames are its tensors in the order of arguments and results.
var scalerNames = []string{engine.ScalerScale, engine.ScalerGrowth}

// uploadScaling takes the scale from a state, or starts it.
func (e *Executor) uploadScaling(s engine.State) error {
	if e.activations != f16 {
		return nil
	}
	for i, name := range scalerNames {
		data := []float32{[]float32{engine.ScalerStart, 0}[i]}
		if t := s.Slots[engine.ScalerSlot][name]; len(t.Data) == 1 {
			data[0] = t.Data[0]
		}
		b, err := pjrt.Upload(e.client, e.device, data, 1)
		if err != nil {
			return err
		}
		e.scaling = append(e.scaling, b)
	}
	return nil
}

// downloadScaling puts the scale into a state.
func (e *Executor) downloadScaling(s engine.State) error {
	if len(e.scaling) == 0 {
		return nil
	}
	slot := map[string]engine.Tensor{}
	for i, name := range scalerNames {
		t, err := download(e.scaling[i], []int{1})
		if err != nil {
			return err
		}
		slot[name] = t
	}
	s.Slots[engine.ScalerSlot] = slot
	return nil
}
