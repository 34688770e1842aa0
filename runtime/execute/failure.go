package execute

import (
	"encoding/json"
	"os"
	"path/filepath"

	"runspec/runtime/durable"
)

// Names of files in a job's directory: its worker's log, the job itself, its result.
const (
	LogFile    = logFile
	JobFile    = jobFile
	ResultFile = resultFile
)

// write writes the failure into its job's directory.
func (f *Failure) write(dir string) error {
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, failureFile), append(text, '\n'))
}

// ReadFailure reads why the job of a directory failed, in its worker's words or,
// of one that was killed, in ours. The error is os.ErrNotExist where it did not fail.
func ReadFailure(dir string) (Failure, error) {
	var f Failure
	text, err := os.ReadFile(filepath.Join(dir, failureFile))
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}
