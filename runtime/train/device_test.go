package train_test

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"

	"runspec/runtime/accelerator"
	"runspec/runtime/train"
)

// TestDeviceTraining wants a training whose data set lies on the device to be that
// of the processor, but for rounding, and to be the same when it is interrupted;
// and short precisions to train from it to the end.
func TestDeviceTraining(t *testing.T) {
	if len(streamers(t)) == 0 {
		return
	}
	job, data := phantomJob(t)
	job.Training.Augmentation, job.Training.Precision = "none", "fp32"
	want, err := train.Run(context.Background(), job, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	job.Device = &accelerator.Device{Plugin: os.Getenv("RUNSPEC_PJRT"), Platform: "cpu"}
	job.Directory, job.Executables = t.TempDir(), t.TempDir()
	got, err := train.Run(context.Background(), job, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range got.Curve {
		p := want.Curve[i]
		for _, pair := range [][2]float64{{float64(e.TrainLoss), float64(p.TrainLoss)}, {float64(e.ValidationLoss), float64(p.ValidationLoss)}} {
			if !(math.Abs(pair[0]-pair[1]) < 1e-3) {
				t.Errorf("epoch %d: loss %v on the device, %v on the processor", i, pair[0], pair[1])
			}
		}
	}
	made(t, job, data)
	job.Training.Augmentation, job.Directory = "v2", t.TempDir()
	made(t, job, data)
	whole, err := train.Run(context.Background(), job, data, nil)
	if err != nil {
		t.Fatal(err)
	}
	job.Directory = t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := train.Run(ctx, job, data, func(train.Epoch) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	again, err := train.Run(context.Background(), job, data, nil)
	if d := same(whole, again); err != nil || d != "" {
		t.Errorf("interrupted: %v %s", err, d)
	}
	for _, precision := range []string{"bf16", "fp16"} {
		job.Training.Precision, job.Directory = precision, t.TempDir()
		made(t, job, data)
		if short, err := train.Run(context.Background(), job, data, nil); err != nil || !short.MeanDice.Known() || len(short.Curve) != job.Epochs {
			t.Errorf("%s: %v, %d epochs, Dice %v", precision, err, len(short.Curve), short.MeanDice)
		}
	}
}

// made expects that a job's device makes its batches.
func made(t *testing.T, job train.Job, data train.Data) {
	t.Helper()
	training, validation, err := train.MadeOnDevice(job, data)
	if err != nil || !training || !validation {
		t.Errorf("batches of the training made on the device: %v, of the validation: %v; %v", training, validation, err)
	}
}
