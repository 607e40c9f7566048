package jpeg

// table reads a segment other than SOS and EOI.
func (d *decoder) table(seg segment) error {
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
			return formatError("DRI has wrong length")
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

// frameHeader reads an SOF segment.
func (d *decoder) frameHeader(marker byte, p []byte) error {
	if d.frame.n != 0 {
		return formatError("more than one SOF marker")
	}
	f, err := parseFrame(marker, p)
	switch {
	case err != nil:
		return err
	case f.n == 4:
		return unsupported("four components")
	case f.width == 0 || f.height == 0:
		return unsupported("width or height is zero")
	}
	d.frame = f
	d.layout()
	return nil
}

// quantTables reads a DQT segment (T.81 B.2.4.1).
func (d *decoder) quantTables(p []byte) error {
	for len(p) > 0 {
		precision, id := p[0]>>4, p[0]&15
		size := 64 << precision
		switch {
		case id > 3:
			return formatError("quantisation table number above 3")
		case precision > 1:
			return formatError("quantisation table precision is not 8 or 16 bits")
		case len(p) == 1:
			return nil // accept a single extra byte at the end, as image/jpeg does
		case len(p) < 1+size:
			return formatError("DQT has wrong length")
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
func (d *decoder) huffmanTables(p []byte) error {
	for len(p) > 0 {
		if len(p) < 1+maxCode {
			return formatError("DHT has wrong length")
		}
		class, id := p[0]>>4, p[0]&15
		if class > 1 || id > 3 || d.frame.baseline && id > 1 {
			return formatError("invalid Huffman table class or number")
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

// newTable returns the memory for a new definition of a table: the old table, unless a scan refers to it.
func (d *decoder) newTable(class, id uint8) (*huffman, error) {
	h := d.huff[class][id]
	if h != &noCodes && !h.captured {
		return h, nil
	}
	if d.used == maxTables {
		return nil, unsupported("more than 128 Huffman tables")
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
