package search

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/gowebpki/jcs"

	"runspec/compiler/plan"
	"runspec/compiler/space"
)

// redraws bounds how often one configuration is drawn anew because it is there
// already. In a finite space that is nearly used up a point may be missed; the
// study then has fewer configurations than it may have.
const redraws = 1000

type keyed struct {
	space.Configuration
	key string
}

// sample draws the study's configurations, all different. Configuration i has a
// random stream of its own, seeded by (study seed, i): a study with more trials
// begins with the same configurations. A finite space with too few points
// yields them all, or as many as redrawing finds. After a warm start i begins at
// the study's first.
func sample(study plan.Study) ([]keyed, error) {
	var out []keyed
	seen := map[string]bool{}
	for i := range study.Optimizer.Trials {
		rng := rand.New(rand.NewPCG(study.Seed, uint64(study.First+i)))
		configuration, found, err := draw(study, i, rng, seen)
		if err != nil {
			return nil, fmt.Errorf("configuration %d: %w", i, err)
		}
		if !found {
			break
		}
		seen[configuration.key] = true
		out = append(out, configuration)
	}
	return out, nil
}

func draw(study plan.Study, i int, rng *rand.Rand, seen map[string]bool) (keyed, bool, error) {
	if i == 0 && study.Optimizer.Default {
		c, err := withKey(study.Space.Default())
		return c, true, err
	}
	for try := range redraws {
		// A confident prior may never leave its category: the last tries are uniform.
		prior := study.Optimizer.Prior && try < redraws/2
		c, err := withKey(study.Space.Sample(rng, prior))
		if err != nil || !seen[c.key] {
			return c, true, err
		}
	}
	return keyed{}, false, nil
}

func withKey(c space.Configuration) (keyed, error) {
	key, err := Key(c)
	return keyed{c, key}, err
}

// Key is a configuration's identity: the first 16 hexadecimal digits of the
// SHA-256 of its canonical JSON (RFC 8785).
func Key(c space.Configuration) (string, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("identity of a configuration: %w", err)
	}
	canonical, err := jcs.Transform(raw)
	if err != nil {
		return "", fmt.Errorf("identity of a configuration: %w", err)
	}
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8]), nil
}
