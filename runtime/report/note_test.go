package report

import (
	"strings"
	"testing"

	"runspec/runtime/search"
)

// TestStudyIsCounted counts trials by the plan's, also where there are more.
func TestStudyIsCounted(t *testing.T) {
	var history []search.Observation
	for _, t := range []search.Trial{{ID: "s-c0r0", Key: "a"}, {ID: "s-c1r0", Key: "b"}, {ID: "s-c1r1", Key: "b"}} {
		history = append(history, search.Observation{Trial: t})
	}
	for planned, want := range map[int]string{
		4: "s: 3 of 4 trials, 2 configurations; no incumbent.",
		3: "s: 3 of 3 trials, 2 configurations",
		1: "s: 3 trials, 2 more than planned, 2 configurations",
	} {
		if got := study(training{id: "s"}, planned, history, false); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
