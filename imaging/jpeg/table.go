package jpeg

// table takes in a segment that is neither a scan nor the end.
func (d *Decoder) table(seg segment) error {
	p := seg.body
	switch seg.marker {
	case sof0, sof1, sof2:
		return d.frameHeader(seg.marker, p)
	case dht:
		return d.huffmanTables(p)
	case dqt:
		return d.quantTables(p)
	case dri:
		if len(p) != 2 {
			return FormatError("DRI has wrong length")
		}
		d.ri = int(p[0])<<8 | int(p[1])
		return nil
	case app0:
		if len(p) >= 5 {
			d.jfif = string(p[:5]) == "JFIF\x00"
		}
		return nil
	case app14:
		if len(p) >= 12 && string(p[:5]) == "Adobe" {
			d.adobe = int(p[11])
		}
		return nil
	}
	return known(seg.marker)
}

func (d *Decoder) frameHeader(marker byte, p []byte) error {
	if d.frame.n != 0 {
		return FormatError("multiple SOF markers")
	}
	f, err := parseFrame(marker, p)
	switch {
	case err != nil:
		return err
	case f.n == 4:
		return unsupported("four components")
	case f.width == 0 || f.height == 0:
		return unsupported("a dimension is zero")
	}
	d.frame = f
	d.layout()
	return nil
}

// quantTables reads a DQT segment (T.81 B.2.4.1).
func (d *Decoder) quantTables(p []byte) error {
	for len(p) > 0 {
		precision, id := p[0]>>4, p[0]&15
		size := 64 << precision
		switch {
		case id > 3:
			return FormatError("bad Tq value")
		case precision > 1:
			return FormatError("bad Pq value")
		case len(p) == 1:
			return nil // a lone byte at the end is let pass, as by image/jpeg
		case len(p) < 1+size:
			return FormatError("DQT has wrong length")
		}
		for i := range d.quant[id] {
			if precision == 0 {
				d.quant[id][i] = int32(p[1+i])
			} else {
				d.quant[id][i] = int32(p[1+2*i])<<8 | int32(p[2+2*i])
			}
		}
		p = p[1+size:]
	}
	return nil
}

// huffmanTables reads a DHT segment (T.81 B.2.4.2).
func (d *Decoder) huffmanTables(p []byte) error {
	for len(p) > 0 {
		if len(p) < 1+maxCode {
			return FormatError("DHT has wrong length")
		}
		class, id := p[0]>>4, p[0]&15
		if class > 1 || id > 3 || d.frame.baseline && id > 1 {
			return FormatError("bad Huffman table number")
		}
		h, err := d.newTable(class, id)
		if err != nil {
			return err
		}
		if p, err = h.define(class, p[1:]); err != nil {
			return err
		}
	}
	return nil
}

// newTable returns the memory for a table: that of the one before, unless a scan goes by it.
func (d *Decoder) newTable(class, id uint8) (*huffman, error) {
	h := d.huff[class][id]
	if h != &noCodes && !h.captured {
		return h, nil
	}
	if d.used == maxTables {
		return nil, unsupported("too many Huffman tables")
	}
	if d.used == len(d.tables) {
		d.tables = append(d.tables, new(huffman))
	}
	h = d.tables[d.used]
	h.captured = false
	d.huff[class][id] = h
	d.used++
	return h, nil
}
