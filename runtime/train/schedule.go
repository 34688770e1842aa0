package train

import (
	"fmt"
	"math"
)

// Rate returns the learning rate of an epoch (from 0) of a schedule that is
// horizon epochs long. It is evaluated in closed form, so a resumed training
// sees the same rates. Names are those of Auto-nnU-Net's search space:
// "PolyLRScheduler" (exponent 0.9, nnU-Net's), "CosineAnnealingLR" (down to 0)
// and "None" (constant).
func Rate(schedule string, initial float64, epoch, horizon int) (float64, error) {
	part := float64(epoch) / float64(horizon)
	switch schedule {
	case "PolyLRScheduler":
		return initial * math.Pow(1-part, 0.9), nil
	case "CosineAnnealingLR":
		return initial * (1 + math.Cos(math.Pi*part)) / 2, nil
	case "None":
		return initial, nil
	}
	return 0, fmt.Errorf("learning-rate schedule %q is not known; use PolyLRScheduler, CosineAnnealingLR or None", schedule)
}
