package pjrt

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// open is a client on the plug-in that RUNSPEC_PJRT names.
func open(t *testing.T) *Client {
	t.Helper()
	path := os.Getenv("RUNSPEC_PJRT")
	if path == "" {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in; .ci/xla fetches one for the CPU")
	}
	p, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%s, C API %d.%d, %d devices of kind %s", c.Platform, p.Major, p.Minor, len(c.Devices), c.Devices[0].Kind)
	return c
}

// donating adds its operands; the sum takes the first one's memory.
const donating = `module { func.func public @main(%a: tensor<2x3xf32> {tf.aliasing_output = 0 : i32}, %b: tensor<2x3xf32>) -> tensor<2x3xf32> {
%c = stablehlo.add %a, %b : tensor<2x3xf32>
return %c : tensor<2x3xf32> } }`

// TestRoundTrip compiles, serialises, loads, runs a chain of donations and
// downloads, with the garbage collector at work.
func TestRoundTrip(t *testing.T) {
	c := open(t)
	first, err := c.Compile(donating)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := first.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.Load(bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*Executable{first, again} {
		sum, b := upload(t, c, []float32{0, 1, 2, 3, 4, 5}), upload(t, c, []float32{1, 1, 1, 1, 1, 2})
		for range 100 {
			runtime.GC()
			out, err := e.Run([]*Buffer{sum, b})
			if err != nil {
				t.Fatal(err)
			}
			sum.Close()
			sum = out[0]
		}
		got := make([]float32, 6)
		if err := Download(sum, 2, got); err != nil {
			t.Fatal(err)
		}
		if want := []float32{100, 101, 102, 103, 104, 205}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		for _, close := range []func() error{sum.Close, b.Close, e.Close} {
			if err := close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func upload(t *testing.T, c *Client, data []float32) *Buffer {
	t.Helper()
	b, err := Upload(c, c.Devices[0], data, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestErrors: what a plug-in objects to is a Go error with its words.
func TestErrors(t *testing.T) {
	c := open(t)
	_, err := c.Compile("module { nonsense }")
	var e *Error
	if !errors.As(err, &e) || e.Function != "Client_Compile" || e.Message == "" {
		t.Errorf("compiling nonsense gave %v", err)
	}
	if _, err := c.Load([]byte("nonsense")); err == nil {
		t.Error("loading nonsense gave no error")
	}
	if _, err := c.plugin.NewClient(Option{"no_such_option", "x"}); err == nil {
		t.Error("an unknown option gave no error")
	}
	if _, err := Load(os.Args[0]); err == nil || !strings.Contains(err.Error(), os.Args[0]) {
		t.Errorf("a program as a plug-in gave %v", err)
	}
}
