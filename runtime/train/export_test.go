package train

import (
	"context"
	"fmt"
)

// MadeOnDevice says whether a job's device makes the batches of its training and of
// its validation, from a data set that lies there.
func MadeOnDevice(job Job, data Data) (training, validation bool, err error) {
	t, err := newTrainer(job, data)
	if err != nil {
		return false, false, fmt.Errorf("a trainer: %w", err)
	}
	defer t.executor.Close()
	for b := range t.training(context.Background(), 0, 1) {
		training = b.Made != nil
	}
	for b := range t.validation(context.Background(), 0, 1) {
		validation = b.Made != nil
	}
	return training, validation, nil
}
