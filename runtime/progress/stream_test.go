package progress

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runspec/runtime/evaluate"
)

// types reads a stream: the types of its events in order.
func types(t *testing.T, text []byte) string {
	t.Helper()
	var out []string
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var e Event
		if err := d.Decode(&e); err == io.EOF {
			return strings.Join(out, " ")
		} else if err != nil {
			t.Fatal(err)
		}
		if e.Time.IsZero() {
			t.Errorf("%s has no time", e.Type)
		}
		out = append(out, string(e.Type))
	}
}

func TestStream(t *testing.T) {
	var shown, kept bytes.Buffer
	p := New(JSON, &shown)
	count := p.Count("preprocessing D", "cases")
	count(1, 3)
	count(2, 3) // too soon after the first
	count(3, 3)
	p.Stream(&kept)
	p.Start("D hpo-c0r0 fold 0", 0, 4)
	missing := evaluate.Missing()
	p.Tell(Event{Type: Epoch, Trial: "hpo-c0r0", Epoch: 1, Dice: &missing})
	p.Note("a %s", "note")
	p.End("D hpo-c0r0 fold 0", "Dice 1")
	p.Close()
	if have := types(t, shown.Bytes()); have != "version preparing preparing epoch note" {
		t.Error(have)
	}
	if have := types(t, kept.Bytes()); have != "version epoch note" {
		t.Error(have)
	}
	if !strings.HasPrefix(shown.String(), `{"type":"version","time":"`) || !strings.Contains(shown.String(), `"ui":"1.0"`) || !strings.Contains(shown.String(), `"dice":null`) {
		t.Error(shown.String())
	}
}

type broken struct{ n int }

func (b *broken) Write([]byte) (int, error) { b.n++; return 0, errors.New("full") }

func TestStreamThatFails(t *testing.T) {
	var kept bytes.Buffer
	b := &broken{}
	p := New(None, io.Discard)
	p.Stream(b)
	p.Stream(&kept)
	p.Note("one")
	p.Note("two")
	if have := types(t, kept.Bytes()); b.n != 1 || have != "version note note" {
		t.Errorf("%d writes to a broken stream; the other has %s", b.n, have)
	}
}

func TestOpenEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	for _, c := range []struct{ write, want string }{{"a\nb", "a\nb"}, {"c\n", "a\nb\nc\n"}, {"d\n", "a\nb\nc\nd\n"}} {
		f, err := OpenEvents(path)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, c.write)
		f.Close()
		if have, _ := os.ReadFile(path); string(have) != c.want {
			t.Errorf("%q, want %q", have, c.want)
		}
	}
}
