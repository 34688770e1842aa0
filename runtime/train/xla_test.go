package train_test

import (
	"os"
	"sync"
	"testing"

	"runspec/runtime/engine"
	"runspec/runtime/engine/xla"
	"runspec/runtime/engine/xla/pjrt"
)

// client opens the plug-in that RUNSPEC_PJRT names, once.
var client = sync.OnceValues(func() (*pjrt.Client, error) {
	p, err := pjrt.Load(os.Getenv("RUNSPEC_PJRT"))
	if err != nil {
		return nil, err
	}
	return p.NewClient()
})

// plugins are the executors that a plug-in adds.
func plugins() []contender {
	if os.Getenv("RUNSPEC_PJRT") == "" {
		return nil
	}
	return []contender{{"xla", func(p *engine.Program) (engine.Executor, error) {
		c, err := client()
		if err != nil {
			return nil, err
		}
		return xla.New(p, xla.Options{Client: c})
	}}}
}

// TestPlugin says whether the executor tests here had an XLA plug-in.
func TestPlugin(t *testing.T) {
	if os.Getenv("RUNSPEC_PJRT") == "" {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in, so the xla executor was not compared with the others; .ci/xla fetches one for the CPU")
	}
	c, err := client()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("xla runs on %s, %s", c.Platform, c.Devices[0].Kind)
}
