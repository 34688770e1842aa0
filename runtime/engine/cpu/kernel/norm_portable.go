package kernel

// The loops of a norm over x [V,C] with coefficients [C].

func momentsPortable(x, shift, sum, square []float32) {
	c := len(sum)
	for ; len(x) >= c; x = x[c:] {
		for i, v := range x[:c] {
			v -= shift[i]
			sum[i] += v
			square[i] += v * v
		}
	}
}

func affinePortable(x, y, scale, offset []float32, slope float32) {
	c := len(scale)
	for at := 0; at+c <= len(x); at += c {
		to := y[at:][:c]
		for i, v := range x[at:][:c] {
			z := v*scale[i] + offset[i]
			if !(z > 0) {
				z *= slope
			}
			to[i] = z
		}
	}
}

func gradSumsPortable(x, dy, scale, offset, mean []float32, slope float32, sum, moment []float32) {
	c := len(scale)
	for at := 0; at+c <= len(x); at += c {
		d := dy[at:][:c]
		for i, v := range x[at:][:c] {
			dz := d[i]
			if !(v*scale[i]+offset[i] > 0) {
				dz *= slope
			}
			sum[i] += dz
			moment[i] += dz * (v - mean[i])
		}
	}
}

func gradInputPortable(x, dy, dx, scale, offset, kx, k1 []float32, slope float32) {
	c := len(scale)
	for at := 0; at+c <= len(x); at += c {
		d, to := dy[at:][:c], dx[at:][:c]
		for i, v := range x[at:][:c] {
			dz := d[i]
			if !(v*scale[i]+offset[i] > 0) {
				dz *= slope
			}
			to[i] = dz*scale[i] + v*kx[i] + k1[i]
		}
	}
}

func subPortable(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i := range y {
		y[i] = a[i] - b[i]
	}
}

func addPortable(y, a, b []float32) {
	a, b = a[:len(y)], b[:len(y)]
	for i := range y {
		y[i] = a[i] + b[i]
	}
}
