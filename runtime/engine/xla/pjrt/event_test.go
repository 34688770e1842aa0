package pjrt

import (
	"runtime"
	"testing"
)

// TestStart sends arrays and runs a program on them without waiting in between,
// with the garbage collector at work.
func TestStart(t *testing.T) {
	c := open(t)
	e, err := c.Compile(donating)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	sum := upload(t, c, make([]float32, 6))
	var events []*Event
	for range 50 {
		b, sent, err := Send(c, c.Devices[0], []float32{1, 2, 3, 4, 5, 6}, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		out, done, err := e.Start([]*Buffer{sum, b})
		if err != nil {
			t.Fatal(err)
		}
		sum.Close()
		b.Close()
		sum, events = out[0], append(events, sent, done)
	}
	for _, e := range events {
		for range 2 {
			if err := e.Await(); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := make([]float32, 6)
	if err := Download(sum, 2, got); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != float32(50*(i+1)) {
			t.Errorf("%v after 50 sums", got)
			break
		}
	}
	sum.Close()
	if _, _, err := Send(c, c.Devices[0], []float32{1}, 2, 3); err == nil {
		t.Error("one value was sent as six")
	}
}
