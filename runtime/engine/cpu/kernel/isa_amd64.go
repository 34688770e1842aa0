package kernel

func available() []*instructions { return []*instructions{&portable} }
