// Answers from the pictures and spectra that a mailed file holds, in the form of those of the server.
"use strict";
const GeosoilStored = (() => {
  const { column, model } = Geosoil;

  function picture_value(key, x, y) {
    const source = model(`stored:${key}`), image = column(source, "image")[0], [rows, columns] = image.shape;
    const at = (name) => column(source, name)[0];
    const i = Math.floor(((at("y") + at("dh") - y) / at("dh")) * rows), j = Math.floor(((x - at("x")) / at("dw")) * columns);
    return i < 0 || j < 0 || i >= rows || j >= columns ? NaN : image[i * columns + j];
  }

  function exact(value) { // the shortest text that is read as the same float32
    if (!Number.isFinite(value)) return null;
    for (let digits = 1; digits < 10; digits++) {
      const text = Number(value.toPrecision(digits));
      if (Math.fround(text) === Math.fround(value)) return String(text);
    }
    return String(value);
  }

  function place(x, y, about) {
    const digits = Math.max(0, 1 - Math.floor(Math.log10(about.pixel)));
    const thinned = about.step > 1 ? `; values of squares of ${about.step} x ${about.step} pixels` : "";
    return `${x.toFixed(digits)}, ${y.toFixed(digits)} ${about.unit}${thinned}`;
  }

  const belongs = (other, layer) => other.group === layer.group && (other.target === "" || other.target === layer.target);

  function values_at(x, y, keys) {
    const { about, layers } = Geosoil;
    const values = keys.map((key) => {
      const layer = layers.get(key), made = { key, name: layer.name, unit: layer.unit, value: exact(picture_value(key, x, y)) };
      if (layer.role !== "prediction") return made;
      for (const other of layers.values()) {
        if (["lower", "upper", "inside"].includes(other.role) && belongs(other, layer)) made[other.role] = exact(picture_value(other.key, x, y));
      }
      return made;
    });
    return { x, y, place: place(x, y, about), values };
  }

  function details_at(x, y) {
    const { about, layers } = Geosoil, every = [...layers.values()];
    const bars = every.filter((layer) => layer.role === "attribution")
      .map((layer) => ({ name: layer.name, unit: layer.unit, value: picture_value(layer.key, x, y) }))
      .filter((bar) => Number.isFinite(bar.value)).sort((one, other) => Math.abs(other.value) - Math.abs(one.value));
    const keys = every.filter((layer) => layer.role !== "attribution").map((layer) => layer.key);
    return {
      ...values_at(x, y, keys), spectrum: spectrum_at(x, y), profile: profile_at(x, y),
      attributions: bars.length ? bars : null, samples: nearest_samples(x, y, about),
    };
  }

  function distance_m(x, y, other_x, other_y, about) {
    if (about.unit !== "degrees") return Math.hypot(x - other_x, y - other_y);
    const radians = Math.PI / 180, east = (x - other_x) * Math.cos(y * radians);
    return Math.hypot(east, y - other_y) * 111320;
  }

  function spectrum_at(x, y) {
    const { about } = Geosoil;
    if (!about.spectra_nm) return null;
    const source = model("stored_spectra"), xs = column(source, "x"), ys = column(source, "y");
    let best = -1, least = Infinity;
    for (let k = 0; k < xs.length; k++) {
      const distance = distance_m(x, y, xs[k], ys[k], about);
      if (distance < least) { least = distance; best = k; }
    }
    if (best < 0) return null;
    const image = column(model("stored_spectra_values"), "values")[0], bands = image.shape[1];
    const found = Array.from({ length: bands }, (_, k) => (Number.isNaN(image[best * bands + k]) ? null : image[best * bands + k]));
    const unit = about.unit === "degrees" ? "m" : about.unit;
    return { wavelength_nm: about.spectra_nm, value: found, note: `This file holds the spectra of some pixels; this one is ${Math.round(least)} ${unit} from the place.` };
  }

  function profile_at(x, y) {
    const { layers } = Geosoil;
    const rows = [];
    for (const layer of layers.values()) {
      const depth = /^(.*?)[ _]*(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?) cm$/.exec(layer.name);
      if (!depth || !["prediction", "band"].includes(layer.role)) continue;
      const row = { property: depth[1], top: Number(depth[2]), bottom: Number(depth[3]), unit: layer.unit, value: picture_value(layer.key, x, y) };
      if (!Number.isFinite(row.value)) continue;
      for (const other of layers.values()) {
        if (["lower", "upper"].includes(other.role) && belongs(other, layer)) row[other.role] = picture_value(other.key, x, y);
      }
      rows.push(row);
    }
    return rows.length ? rows.sort((one, other) => one.property.localeCompare(other.property) || one.top - other.top) : null;
  }

  function nearest_samples(x, y, about) {
    if (!about.samples) return null;
    const { id, x: xs, y: ys, measured } = about.samples;
    return id.map((name, k) => ({ k, id: name, distance: distance_m(x, y, xs[k], ys[k], about) }))
      .sort((one, other) => one.distance - other.distance).slice(0, 5)
      .map(({ k, ...each }) => ({ ...each, measured: Object.fromEntries(Object.entries(measured).filter(([, values]) => values[k] !== null).map(([name, values]) => [name, values[k]])) }));
  }

  return { values_at, details_at };
})();
