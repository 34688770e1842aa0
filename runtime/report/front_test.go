package report

import (
	"fmt"
	"testing"

	"runspec/compiler/plan"
	"runspec/runtime/search"
)

// The front holds the trials at the top rung that no other beats, best first.
func TestFront(t *testing.T) {
	observe := func(id string, rung int, loss, cost float64) search.Observation {
		return search.Observation{Trial: search.Trial{ID: id, Rung: rung}, Objectives: []float64{loss, cost}}
	}
	s := plan.Study{Name: "s", Rungs: make([]plan.Rung, 2)}
	f := front(s, plan.CostModel, []search.Observation{
		observe("cheap", 1, 0.5, 1e15), observe("beaten", 1, 0.5, 2e15), observe("good", 1, 0.25, 3e15), observe("short", 0, 0.1, 1e14),
		{Trial: search.Trial{ID: "failed", Rung: 1}, Failed: true},
	})
	if have := fmt.Sprint(f); have != "{s PFLOP [{good 0.75 3} {cheap 0.5 1}]}" {
		t.Error(have)
	}
}
