package plan

import "runspec/compiler/nnunet"

// Data is what is known of a data set's files. The zero value knows nothing.
type Data struct {
	Digest      string // of the cases' files: "sha256:" and hexadecimal
	Description nnunet.Dataset
	Fingerprint *nnunet.Fingerprint // nil: not at hand
}

// Data is what the plan knows of the data set's files.
func (d Dataset) Data() Data { return Data{d.Digest, d.Description, d.Fingerprint} }
