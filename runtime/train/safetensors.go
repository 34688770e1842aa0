package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"runspec/runtime/engine"
)

// entry is one tensor in the head of a safetensors file.
type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// EncodeTensors makes a safetensors file (8-byte length, JSON head, data). The
// head's metadata gets a digest of everything else, so that a damaged file is
// noticed.
func EncodeTensors(tensors map[string]engine.Tensor, metadata map[string]string) ([]byte, error) {
	names, size := make([]string, 0, len(tensors)), 0
	for name, t := range tensors {
		names = append(names, name)
		size += 4 * len(t.Data)
	}
	slices.Sort(names)
	head, data := map[string]json.RawMessage{}, make([]byte, 0, size)
	for _, name := range names {
		t := tensors[name]
		start := len(data)
		for _, v := range t.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		text, err := json.Marshal(entry{"F32", t.Shape, [2]int{start, len(data)}})
		if err != nil {
			return nil, err
		}
		head[name] = text
	}
	full := map[string]string{}
	for k, v := range metadata {
		full[k] = v
	}
	var err error
	if full["sha256"], err = digest(head, metadata, data); err != nil {
		return nil, err
	}
	if head["__metadata__"], err = json.Marshal(full); err != nil {
		return nil, err
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	text = append(text, bytes.Repeat([]byte{' '}, (8-len(text)%8)%8)...)
	out := binary.LittleEndian.AppendUint64(make([]byte, 0, 8+len(text)+len(data)), uint64(len(text)))
	return append(append(out, text...), data...), nil
}

// digest covers the tensors' places and values and the metadata beside it.
func digest(head map[string]json.RawMessage, metadata map[string]string, data []byte) (string, error) {
	text, err := json.Marshal([]any{head, metadata}) // maps in the order of their keys
	if err != nil {
		return "", err
	}
	h := sha256.New()
	h.Write(text)
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readTensors reads what encodeTensors made and checks its digest.
func readTensors(path string) (map[string]engine.Tensor, map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	bad := func(why string) (map[string]engine.Tensor, map[string]string, error) {
		return nil, nil, fmt.Errorf("%s is damaged (%s); delete the folder %s, and the training is repeated", path, why, filepath.Dir(path))
	}
	if len(b) < 8 || binary.LittleEndian.Uint64(b) > uint64(len(b)-8) {
		return bad("its head is cut off")
	}
	n := int(binary.LittleEndian.Uint64(b))
	raw, data := map[string]json.RawMessage{}, b[8+n:]
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		return bad("its head is not JSON")
	}
	metadata := map[string]string{}
	if err := json.Unmarshal(raw["__metadata__"], &metadata); err != nil {
		return bad("it has no metadata")
	}
	delete(raw, "__metadata__")
	want := metadata["sha256"]
	delete(metadata, "sha256")
	if got, err := digest(raw, metadata, data); err != nil || got != want {
		return bad("it does not have the digest that its head names")
	}
	tensors := map[string]engine.Tensor{}
	for name, text := range raw {
		var e entry
		if err := json.Unmarshal(text, &e); err != nil || e.DType != "F32" {
			return bad("tensor " + name + " is not of type F32")
		}
		size := 1
		for _, d := range e.Shape {
			size *= d
		}
		if e.Offsets[0] < 0 || e.Offsets[1] > len(data) || e.Offsets[1]-e.Offsets[0] != 4*size {
			return bad("tensor " + name + " lies outside the file")
		}
		t := engine.Tensor{Shape: e.Shape, Data: make([]float32, size)}
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[e.Offsets[0]+4*i:]))
		}
		tensors[name] = t
	}
	return tensors, metadata, nil
}
