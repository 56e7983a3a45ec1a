// The details of a pixel: values, spectrum, depth profile, attributions and the nearest samples.
"use strict";
const GeosoilDetails = (() => {
  const { $, element, model, set, share, short, with_unit } = Geosoil;
  const COLOURS = { up: "#D55E00", down: "#0072B2" }; // of Okabe and Ito

  function show(details) {
    $("details").hidden = false;
    $("pixel_place").textContent = details.place;
    const rows = details.values.map((each) => [each.name, each.value === null ? "no data" : with_unit(each.value, each.unit)]);
    $("pixel_values").replaceChildren(table(["layer", "value"], rows));
    show_spectrum(details.spectrum);
    show_profile(details.profile);
    show_attributions(details.attributions);
    show_samples(details.samples);
    if (window.innerWidth <= 760) $("details").scrollIntoView({ block: "nearest" });
    document.documentElement.dataset.details = `${details.x} ${details.y}`;
  }

  function table(head, rows) {
    const cells = (name, texts) => texts.map((text) => element(name, text.replaceAll("_", "_\u200b"))); // may break there
    return element("table", "", [
      element("thead", "", [element("tr", "", cells("th", head))]),
      element("tbody", "", rows.map((row) => element("tr", "", cells("td", row)))),
    ]);
  }

  const ends = (values) => {
    const finite = values.filter((value) => value !== null && Number.isFinite(value));
    const low = Math.min(...finite), high = Math.max(...finite), pad = 0.06 * (high - low || Math.abs(high) || 1);
    return [low - pad, high + pad];
  };

  function show_spectrum(spectrum) {
    const { about } = Geosoil;
    $("spectrum_part").hidden = !spectrum && !about.has_cube;
    if (!spectrum) {
      $("spectrum_text").textContent = "The cube has no values here.";
      set("spectrum_source", { data: { wavelength_nm: [], value: [] } });
      set("training_source", { data: { xs: [], ys: [] } });
      return;
    }
    const value = spectrum.value.map((each) => (each === null ? NaN : each)), training = about.training;
    set("spectrum_source", { data: { wavelength_nm: spectrum.wavelength_nm, value } });
    const parts = training ? pieces(training) : [];
    set("training_source", { data: { xs: parts.map((part) => part.x), ys: parts.map((part) => part.y) } });
    const [low, high] = ends([...spectrum.value, ...parts.flatMap((part) => part.y)]);
    set("reflectances", { start: Math.min(0, low), end: high });
    const nm = spectrum.wavelength_nm;
    set("wavelengths", { start: nm[0], end: nm[nm.length - 1] });
    const text = [spectrum.note ?? ""];
    if (training) {
      const outside = beyond(training, spectrum);
      text.push(`Blue: the range of the training spectra of ${training.model}. `
        + (outside ? `${share(outside)} of its bands are outside of it here.` : "The spectrum lies within it."));
    }
    $("spectrum_text").textContent = text.join(" ").trim();
  }

  function pieces({ wavelength_nm, low, high }) { // polygons between the gaps of the bands
    const made = [];
    let first = 0;
    for (let k = 1; k <= wavelength_nm.length; k++) {
      if (k === wavelength_nm.length || wavelength_nm[k] - wavelength_nm[k - 1] > 30) {
        const x = wavelength_nm.slice(first, k);
        made.push({ x: [...x, ...[...x].reverse()], y: [...low.slice(first, k), ...high.slice(first, k).reverse()] });
        first = k;
      }
    }
    return made;
  }

  function beyond({ wavelength_nm, low, high }, spectrum) {
    let count = 0, known = 0;
    for (let k = 0, i = 0; k < wavelength_nm.length; k++) {
      while (i + 1 < spectrum.wavelength_nm.length
        && Math.abs(spectrum.wavelength_nm[i + 1] - wavelength_nm[k]) <= Math.abs(spectrum.wavelength_nm[i] - wavelength_nm[k])) i++;
      const value = spectrum.value[i];
      if (value === null || Math.abs(spectrum.wavelength_nm[i] - wavelength_nm[k]) > 10) continue;
      known++;
      if (value < low[k] || value > high[k]) count++;
    }
    return known ? count / known : 0;
  }

  function show_profile(profile) {
    $("profile_part").hidden = !profile;
    if (!profile) return;
    const rows = profile.filter((row) => row.property === profile[0].property);
    const column = (name) => rows.map((row) => row[name] ?? NaN);
    const data = {
      top: column("top"), bottom: column("bottom"), middle: rows.map((row) => (row.top + row.bottom) / 2),
      height: rows.map((row) => row.bottom - row.top), value: column("value"), lower: column("lower"), upper: column("upper"),
    };
    set("profile_source", { data });
    set("profile_line", { data: { value: rows.flatMap((row) => [row.value, row.value]), depth: rows.flatMap((row) => [row.top, row.bottom]) } });
    const [low, high] = ends([...column("value"), ...column("lower"), ...column("upper")]);
    set("profile_values", { start: Math.min(low, 0), end: high });
    set("depths", { start: Math.max(...column("bottom")), end: 0 });
    set(model("profile").below[0], { axis_label: with_unit(rows[0].property, rows[0].unit ? `(${rows[0].unit})` : "") });
    const has_interval = rows.some((row) => row.lower != null);
    $("profile_text").textContent = `${with_unit(short(rows[0].value), rows[0].unit)} at the top, ${short(rows[rows.length - 1].value)} at ${rows[rows.length - 1].bottom} cm`
      + (has_interval ? "; blue: prediction intervals" : "");
  }

  function show_attributions(bars) {
    $("attributions_part").hidden = !bars;
    if (!bars) return;
    const shown = bars.slice(0, 8), reach = Math.max(...shown.map((bar) => Math.abs(bar.value))) * 1.1 || 1;
    const data = {
      y: shown.map((_, k) => -k), value: shown.map((bar) => bar.value),
      colour: shown.map((bar) => (bar.value > 0 ? COLOURS.up : COLOURS.down)),
    };
    set("attribution_source", { data });
    set("added", { start: -reach, end: reach });
    set("features", { start: -shown.length + 0.4, end: 0.6 });
    const axis = model("feature_axis");
    set(axis.ticker, { ticks: shown.map((_, k) => -k) });
    set(axis, { major_label_overrides: new Map(shown.map((bar, k) => [-k, bar.name])) });
    set(model("attributions").below[0], { axis_label: with_unit("adds to the prediction", shown[0].unit ? `(${shown[0].unit})` : "") });
    $("attributions_text").textContent = bars.length > shown.length ? `The ${shown.length} largest of ${bars.length}.` : "";
  }

  function show_samples(samples) {
    const { about } = Geosoil;
    $("samples_part").hidden = !samples?.length;
    if (!samples?.length) return;
    const columns = [...new Set(samples.flatMap((each) => Object.keys(each.measured)))].slice(0, 3);
    const distance = about.unit === "degrees" ? "m" : about.unit;
    const rows = samples.map((each) => [each.id, short(each.distance), ...columns.map((name) => (name in each.measured ? short(each.measured[name]) : ""))]);
    $("samples_table").replaceChildren(table(["sample", `distance (${distance})`, ...columns], rows));
  }

  return { show };
})();
