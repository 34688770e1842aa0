package train_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"runspec/runtime/accelerator"
	"runspec/runtime/engine"
	"runspec/runtime/train"
)

// onDevice puts a job on the plug-in's first device.
func onDevice(t *testing.T, j train.Job) train.Job {
	t.Helper()
	path := os.Getenv(accelerator.Variable)
	if path == "" {
		t.Skip("RUNSPEC_PJRT names no PJRT plug-in, so nothing was trained on a device; .ci/xla fetches one for the CPU")
	}
	j.Device = &accelerator.Device{Plugin: path, Platform: "cpu", Kind: "cpu"}
	j.Executables = filepath.Join(t.TempDir(), "executables")
	j.Code = train.CodeOn(*j.Device, engine.FP32)
	return j
}

// near says whether two learning curves are those of one training, up to rounding.
func near(t *testing.T, what string, a, b train.Result) {
	t.Helper()
	for i := range a.Curve {
		if d := math.Abs(float64(a.Curve[i].TrainLoss - b.Curve[i].TrainLoss)); !(d < 1e-3) {
			t.Errorf("%s: epoch %d: training losses differ by %g", what, i, d)
		}
	}
	if d := math.Abs(float64(a.MeanDice - b.MeanDice)); !(d < 0.02) {
		t.Errorf("%s: Dice %v and %v", what, a.MeanDice, b.MeanDice)
	}
}

// TestDeviceTraining trains one job on the processor, on a device, and on both in
// turn: a training may go on where another engine left it.
func TestDeviceTraining(t *testing.T) {
	job, data := phantomJob(t)
	job.Code = train.ThisCode()
	device := onDevice(t, job)
	run := func(j train.Job, epochs int) train.Result {
		t.Helper()
		j.Epochs = epochs
		r, err := train.Run(context.Background(), j, data, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	host := run(job, 3)
	device.Directory = t.TempDir()
	whole := run(device, 3)
	near(t, "device", host, whole)
	if !whole.By(device.Code) || whole.By(job.Code) || !host.By(job.Code) {
		t.Error("it is not told what trained the epochs")
	}
	kept, err := os.ReadDir(device.Executables)
	if err != nil || len(kept) < 3 {
		t.Errorf("%d compiled programs are kept, %v", len(kept), err)
	}
	job.Directory = t.TempDir()
	run(job, 1)
	device.Directory = job.Directory
	run(device, 2)

	mixed := run(job, 3)
	near(t, "both", host, mixed)
	if mixed.By(job.Code) || mixed.By(device.Code) || mixed.Curve[0].Device != "" || mixed.Curve[1].Device == "" || mixed.Curve[2].Device != "" {
		t.Errorf("epochs by %q, %q, %q", mixed.Curve[0].Device, mixed.Curve[1].Device, mixed.Curve[2].Device)
	}
}
