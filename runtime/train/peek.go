package train

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxHead bounds the head of a checkpoint that ReadProgress believes in.
const maxHead = 1 << 28

// ReadProgress reads what the training in a folder has been through from the
// head of its latest checkpoint, without its tensors, also while the training
// goes on. The error is os.ErrNotExist where no epoch is complete.
func ReadProgress(dir string) (Progress, error) {
	path := filepath.Join(dir, latestCheckpoint)
	var p Progress
	f, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer f.Close()
	var size [8]byte
	if _, err := io.ReadFull(f, size[:]); err != nil {
		return p, fmt.Errorf("read progress: %s: %w", path, err)
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > maxHead {
		return p, fmt.Errorf("read progress: %s: it is no checkpoint", path)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(f, text); err != nil {
		return p, fmt.Errorf("read progress: %s: %w", path, err)
	}
	var head struct {
		Metadata struct {
			Progress string `json:"progress"`
		} `json:"__metadata__"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return p, fmt.Errorf("read progress: %s: %w", path, err)
	}
	if err := json.Unmarshal([]byte(head.Metadata.Progress), &p); err != nil {
		return p, fmt.Errorf("read progress: %s: %w", path, err)
	}
	return p, nil
}
