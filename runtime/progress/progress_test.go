package progress

import (
	"bytes"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPlain expects one line per event, in order, and the time left once there
// is a pace.
func TestPlain(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := start(Plain, &out, func() time.Time { return now })
	p.Note("hello %d", 1)
	count := p.Count("preprocessing", "cases")
	count(1, 2)
	count(2, 2)
	unknown := p.Count("download", "bytes")
	unknown(1, -1)
	unknown(2, -1) // within the pause
	now = now.Add(time.Minute)
	unknown(3, -1)
	p.Epochs(2, 5)
	p.Start("trial", 0, 2)
	now = now.Add(5 * time.Second)
	p.Epoch("trial", 1, 2, 0.5, math.NaN())
	p.Epoch("trial", 2, 2, 0.25, 0.75)
	p.End("trial", "Dice 0.75")
	p.Close()
	want := []string{
		`hello 1$`, `preprocessing: 1 of 2 cases$`, `preprocessing: 2 of 2 cases$`, `download: 1 bytes$`, `download: 3 bytes$`, `trial: training to epoch 2$`,
		`trial: epoch 1 of 2, loss 0\.5000, moving pseudo-Dice –, 0:00:10 left$`,
		`trial: epoch 2 of 2, loss 0\.2500, moving pseudo-Dice 0\.7500, 0:00:03 left$`, `trial: Dice 0\.75$`,
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), out.String())
	}
	for i, line := range lines {
		if !regexp.MustCompile(`^0:0[01]:0\d  ` + want[i]).MatchString(line) {
			t.Errorf("line %d is %q, want %s", i, line, want[i])
		}
	}
}

func TestNoneIsSilent(t *testing.T) {
	var out bytes.Buffer
	p := New(None, &out)
	p.Note("x")
	p.Epochs(0, 1)
	p.Epoch("t", 1, 1, 0, 0)
	p.Close()
	if out.Len() > 0 {
		t.Errorf("printed %q", out.String())
	}
}

// TestTTY expects bars that show the training and the whole, and no deadlock on Close.
func TestTTY(t *testing.T) {
	var out bytes.Buffer
	p := New(TTY, &out)
	p.Epochs(0, 2)
	p.Start("trial", 0, 2)
	p.Epoch("trial", 1, 2, 0.5, 0.1)
	p.Note("a line between")
	p.End("trial", "Dice 0.5")
	p.Close()
	for _, want := range []string{"epochs in all", "a line between", "trial: Dice 0.5"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown:\n%s", want, out.String())
		}
	}
}
