// The colours of the layers, their legends with a histogram of what is on the screen, and the colours of samples.
"use strict";
const GeosoilColours = (() => {
  const { PANELS, $, model, column, edges, layer, page, set, share, short, with_unit } = Geosoil;

  function learn_limits(key, limits) {
    if (!page.colours.has(key)) {
      page.colours.set(key, { low: limits[0], high: limits[1], palette: Geosoil.layers.get(key).palette, first: limits });
    }
  }

  function colours_of(panel) {
    const first = layer("a"), here = layer(panel);
    const is_shared = panel === "b" && $("same").checked && first && here && first.unit === here.unit && first.role !== "inside"
      && here.role !== "inside";
    return page.colours.get(page.chosen[is_shared ? "a" : panel]);
  }

  function show_colours() {
    for (const panel of PANELS) {
      const shown = layer(panel), colours = shown && colours_of(panel);
      set(`drawn_${panel}`, { visible: Boolean(shown) });
      $(`colours_of_${panel}`).hidden = !shown || (panel === "b" && !page.comparing);
      if (!colours) continue;
      set(`colours_${panel}`, { palette: Geosoil.about.palettes[colours.palette], low: colours.low, high: colours.high });
      $(`low_${panel}`).value = Number(colours.low.toPrecision(5));
      $(`high_${panel}`).value = Number(colours.high.toPrecision(5));
      $(`palette_${panel}`).value = colours.palette;
      $(`legend_title_${panel}`).textContent = with_unit(shown.name, shown.unit ? `(${shown.unit})` : "");
      const is_class = shown.role === "inside"; // two colours, which have no limits
      $(`limits_${panel}`).hidden = is_class;
      $(`palette_${panel}`).disabled = is_class;
      for (const axis of model(`legend_${panel}`).below) set(axis, { visible: !is_class });
      show_histogram(panel, shown, colours);
    }
    show_samples();
  }

  function visible_values(panel) {
    const source = model(`over_${panel}`), image = column(source, "image")[0], at = (name) => column(source, name)[0];
    const [rows, columns] = image.shape, [left, bottom, right, top] = edges();
    const clip = (value, most) => Math.min(most, Math.max(0, Math.round(value)));
    const from = clip(((left - at("x")) / at("dw")) * columns, columns), to = clip(((right - at("x")) / at("dw")) * columns, columns);
    const high = at("y") + at("dh");
    const first = clip(((high - top) / at("dh")) * rows, rows), last = clip(((high - bottom) / at("dh")) * rows, rows);
    const found = [];
    for (let row = first; row < last; row++) {
      for (let k = row * columns + from; k < row * columns + to; k++) if (!Number.isNaN(image[k])) found.push(image[k]);
    }
    return Float32Array.from(found);
  }

  function show_histogram(panel, shown, colours) {
    const values = visible_values(panel), source = model(`histogram_${panel}`);
    let low = colours.low, high = colours.high, below = 0, above = 0;
    for (const value of values) {
      if (value < colours.low) below++;
      if (value > colours.high) above++;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (shown.role === "inside") {
      const inside = values.reduce((sum, value) => sum + (value > 0.5), 0);
      set(`strip_${panel}`, { data: { left: [-0.5, 0.5], right: [0.5, 1.5], middle: [0, 1] } });
      const part = inside / (values.length || 1);
      set(source, { data: { left: [-0.4, 0.6], right: [0.4, 1.4], middle: [0, 1], top: [1 - part, part] } });
      set(`values_${panel}`, { start: -0.5, end: 1.5 });
      $(`beyond_${panel}`).textContent = values.length ? `left: outside the area of applicability; right: inside (${share(inside / values.length)} of the screen)` : "no values on the screen";
      return;
    }
    const bins = 48, counts = new Array(bins).fill(0), width = (high - low) / bins || 1;
    for (const value of values) counts[Math.min(bins - 1, Math.floor((value - low) / width))]++;
    const most = Math.max(1, ...counts), left = counts.map((_, k) => low + k * width);
    const data = {
      left, right: left.map((edge) => edge + width), middle: left.map((edge) => edge + width / 2),
      top: counts.map((count) => count / most),
    };
    set(source, { data });
    set(`strip_${panel}`, { data: steps(low, high, 200) });
    set(`values_${panel}`, { start: low, end: high });
    const beyond = [];
    if (below) beyond.push(`${share(below / values.length)} below ${short(colours.low)}`);
    if (above) beyond.push(`${share(above / values.length)} above ${short(colours.high)}`);
    $(`beyond_${panel}`).textContent = !values.length ? "no values on the screen"
      : beyond.length ? `on the screen ${beyond.join(", ")}: in the first or last colour` : "all values on the screen are within the colours";
  }

  function steps(low, high, count) { // of the strip of colours under the histogram
    const width = (high - low) / count, left = Array.from({ length: count }, (_, k) => low + k * width);
    return { left, right: left.map(() => high), middle: left.map((edge) => edge + width / 2) };
  }

  function fit_colours(panel) {
    const values = visible_values(panel).sort(), colours = colours_of(panel);
    if (!values.length || !colours || layer(panel).role === "inside") return;
    const at = (part) => values[Math.floor(part * (values.length - 1))];
    set_colours(panel, { low: at(0.02), high: at(0.98) });
  }

  function set_colours(panel, change) {
    const colours = colours_of(panel), next = { ...colours, ...change };
    if (!(Number.isFinite(next.low) && Number.isFinite(next.high) && next.low < next.high)) return show_colours();
    Object.assign(colours, change);
    show_colours();
  }

  function show_samples() {
    if (!Geosoil.about.samples) return;
    const data = { x: Geosoil.about.samples.x, y: Geosoil.about.samples.y };
    for (const panel of PANELS) {
      const shown = layer(panel), measured = shown && Geosoil.about.samples.measured[column_of(shown)];
      data[panel] = (measured ?? data.x.map(() => null)).map((value) => (value === null ? NaN : value));
    }
    set("samples", { data: data });
  }

  function column_of(shown) {
    if (["width", "dissimilarity", "density", "inside", "attribution"].includes(shown.role)) return "";
    const names = Object.keys(Geosoil.about.samples.measured);
    return names.find((name) => name === (shown.target || shown.name)) ?? "";
  }

  return { colours_of, fit_colours, learn_limits, set_colours, show_colours };
})();
