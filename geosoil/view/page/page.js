// The page of a view: what is on the screen, what the user chooses, and the questions to the server. In a mailed file,
// the answers come from the file itself.
"use strict";
(() => {
  const MARGIN = 0.1; // of the screen, read on each side so that a moved map is not empty
  const { PANELS, $, edges, element, is_picture, layer, model, page, set, short, with_unit } = Geosoil;
  const { colours_of, fit_colours, learn_limits, set_colours, show_colours } = GeosoilColours;
  const asked = { view: { n: 0, busy: false, again: false }, values: { n: 0, busy: false, next: null }, details: { n: 0 } };
  let state, about, layers, units_per_pixel;

  function option(value, text) {
    const made = element("option", text);
    made.value = value;
    return made;
  }

  function fill_layers(select, none) {
    if (none) select.append(option("", none));
    for (const group of new Set(about.layers.map((each) => each.group))) {
      const part = element("optgroup");
      part.label = group;
      for (const each of about.layers.filter((one) => one.group === group)) {
        part.append(option(each.key, with_unit(each.name, each.unit ? `(${each.unit})` : "")));
      }
      select.append(part);
    }
    if (about.backgrounds.length) {
      const part = element("optgroup");
      part.label = "pictures";
      for (const name of about.backgrounds) part.append(option(`picture:${name}`, name));
      select.append(part);
    }
  }

  // ---------------------------------------------------------------- what is on the screen

  const size = () => [Math.max(1, model("map_a").inner_width), Math.max(1, model("map_a").inner_height)];

  function look_at(x, y, per_pixel) {
    const [width, height] = size();
    units_per_pixel = per_pixel;
    const half = [(per_pixel * width) / 2, (per_pixel * height) / 2 / about.aspect];
    page.is_whole = false;
    set("x_range", { start: x - half[0], end: x + half[0] });
    set("y_range", { start: y - half[1], end: y + half[1] });
    show_scale_bar();
  }

  function whole_map() {
    const [left, bottom, right, top] = about.extent, [width, height] = size();
    const per_pixel = Math.max((right - left) / width, ((top - bottom) * about.aspect) / height);
    look_at((left + right) / 2, (bottom + top) / 2, per_pixel * 1.03);
    page.is_whole = true;
  }

  function keep_place() { // when the window or the panel gets another size
    if (page.is_whole) return whole_map();
    const [left, bottom, right, top] = edges();
    look_at((left + right) / 2, (bottom + top) / 2, units_per_pixel);
  }

  function move(right, up) {
    const [left, bottom, east, north] = edges();
    look_at((left + east) / 2 + right * (east - left), (bottom + north) / 2 + up * (north - bottom), units_per_pixel);
  }

  function zoom(factor) {
    const [left, bottom, right, top] = edges();
    look_at((left + right) / 2, (bottom + top) / 2, units_per_pixel / factor);
  }

  function show_scale_bar() { // in metres, for degrees along the parallel of the centre
    const [, bottom, , top] = edges(), to_metres = about.metres ?? 111320 * Math.cos((((bottom + top) / 2) * Math.PI) / 180);
    const most = 120 * units_per_pixel * to_metres, power = 10 ** Math.floor(Math.log10(most));
    const metres = [5, 2, 1].map((digit) => digit * power).find((length) => length <= most) ?? power;
    for (const bar of document.querySelectorAll(".scale")) {
      bar.hidden = about.crs === "sensor geometry";
      bar.style.width = `${metres / to_metres / units_per_pixel}px`;
      bar.textContent = metres >= 1000 ? `${metres / 1000} km` : `${Number(metres.toPrecision(1))} m`;
    }
  }

  let timer = null;
  function moved() {
    const per_pixel = (model("x_range").end - model("x_range").start) / size()[0];
    if (Math.abs(per_pixel / units_per_pixel - 1) > 1e-9) { units_per_pixel = per_pixel; page.is_whole = false; show_scale_bar(); }
    if (timer === null && page.is_started) timer = setTimeout(() => { timer = null; ask_view(); }, 40);
  }

  function ask_view(margin = MARGIN) {
    if (about.offline) return show_stored();
    if (asked.view.busy) { asked.view.again = true; return; }
    const [left, bottom, right, top] = edges(), [width, height] = size();
    const more = [(right - left) * margin, (top - bottom) * margin], sharp = Math.min(window.devicePixelRatio || 1, 2);
    asked.view.busy = true;
    const question = {
      n: ++asked.view.n,
      edges: [left - more[0], bottom - more[1], right + more[0], top + more[1]],
      size: [width, height].map((side) => Math.max(1, Math.min(4096, Math.round(side * sharp * (1 + 2 * margin))))),
    };
    for (const panel of page.comparing ? PANELS : ["a"]) {
      const key = page.chosen[panel];
      if (is_picture(key)) question[`under_${panel}`] = key.slice(8);
      else {
        question[panel] = key;
        if (page.under[panel]) question[`under_${panel}`] = page.under[panel];
      }
    }
    $("busy").textContent = "Reading the map ...";
    busy_timer = busy_timer ?? setTimeout(() => { $("busy").hidden = false; }, 300);
    state.ask_view = JSON.stringify(question);
  }

  let busy_timer = null;
  function view_came() {
    const answer = JSON.parse(state.tell_view);
    asked.view.busy = false;
    clearTimeout(busy_timer);
    busy_timer = null;
    report_error(answer.error);
    if (answer.error) return;
    for (const panel of PANELS) {
      if (answer.limits[panel]) learn_limits(answer.shown[panel], answer.limits[panel]);
    }
    show_colours();
    painted(answer.n);
    if (asked.view.again) { asked.view.again = false; ask_view(); }
  }

  function report_error(text) {
    $("busy").hidden = !text;
    $("busy").classList.toggle("wrong", Boolean(text));
    if (text) $("busy").textContent = text;
  }

  function painted(n) {
    requestAnimationFrame(() => requestAnimationFrame(() => {
      document.documentElement.dataset.painted = n;
      performance.mark(`painted ${n}`);
      if (page.is_started) return;
      page.is_started = true;
      ask_view();
    }));
  }

  function show_stored() { // of a mailed file: the pictures are in it
    for (const panel of PANELS) {
      const key = page.chosen[panel], under = is_picture(key) ? key.slice(8) : page.under[panel];
      if (!is_picture(key)) {
        set(`over_${panel}`, { data: model(`stored:${key}`).data });
        learn_limits(key, about.limits[key]);
      }
      if (under) set(`under_${panel}`, { data: model(`stored:${under}`).data });
    }
    show_colours();
    painted(++asked.view.n);
  }

  // ---------------------------------------------------------------- what the user chooses

  function choose(panel, key) {
    page.chosen[panel] = key;
    $(`layer_${panel}`).value = key;
    $(`under_${panel}`).disabled = is_picture(key);
    if (page.colours.has(key)) show_colours();
    ask_view();
  }

  function step_layer(step) {
    const keys = about.layers.map((each) => each.key), place = keys.indexOf(page.chosen.a);
    choose("a", keys[(place + step + keys.length) % keys.length]);
  }

  function set_under(panel, name) {
    page.under[panel] = name;
    const opacity = $(`opacity_${panel}`);
    if (name && opacity.value === "1") { opacity.value = "0.7"; set_opacity(panel); }
    if (!name) set(`under_${panel}`, { data: { image: [], x: [], y: [], dw: [], dh: [] } });
    ask_view();
  }

  function set_opacity(panel) {
    set(model(`drawn_${panel}`).glyph, { global_alpha: { value: Number($(`opacity_${panel}`).value) } });
  }

  function compare(on) {
    page.comparing = on;
    $("compare").setAttribute("aria-pressed", on);
    $("panel_b").hidden = !on;
    if (on && page.chosen.b === page.chosen.a) {
      const first = layer("a"), others = about.layers.filter((each) => each !== first);
      const other = others.find((each) => each.group !== first?.group && each.role === "prediction")
        ?? others.find((each) => each.role === "width") ?? others[0] ?? first;
      if (other) { page.chosen.b = other.key; $("layer_b").value = other.key; }
    }
    show_colours();
    ask_view();
  }

  function set_theme(theme) {
    page.theme = theme;
    document.documentElement.dataset.theme = theme;
    $("dark").setAttribute("aria-pressed", theme === "dark");
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    for (const name of ["legend_a", "legend_b", "spectrum", "profile", "attributions"]) {
      const plot = model(name);
      for (const axis of [...plot.below, ...plot.left]) {
        set(axis, { axis_label_text_color: colour("--text"), major_label_text_color: colour("--soft"),
          axis_line_color: colour("--line"), major_tick_line_color: colour("--line") });
      }
      for (const grid of plot.center) if (grid.type === "Grid") set(grid, { grid_line_color: colour("--line") });
    }
  }

  // ---------------------------------------------------------------- values under the pointer

  function point_at(x, y) {
    page.cursor = [x, y];
    if (about.offline) return show_values(GeosoilStored.values_at(x, y, shown_keys()));
    if (asked.values.busy) { asked.values.next = [x, y]; return; }
    asked.values.busy = true;
    state.ask_values = JSON.stringify({ n: ++asked.values.n, x, y, keys: shown_keys() });
  }

  function shown_keys() {
    return (page.comparing ? PANELS : ["a"]).map((panel) => page.chosen[panel]).filter((key) => !is_picture(key));
  }

  function values_came() {
    const answer = JSON.parse(state.tell_values);
    asked.values.busy = false;
    if (answer.error) return report_error(answer.error);
    show_values(answer);
    if (asked.values.next) { const next = asked.values.next; asked.values.next = null; point_at(...next); }
  }

  function show_values(answer) {
    $("place").textContent = answer.place;
    $("values").replaceChildren();
    for (const panel of PANELS) $(`value_${panel}`).textContent = "";
    for (const each of answer.values) {
      const number = element("dd", each.value === null ? "no data" : with_unit(each.value, each.unit));
      if (each.value !== null && each.lower != null && each.upper != null) {
        const level = about.level ? `${Number((100 * about.level).toPrecision(3))} % ` : "";
        number.append(element("small", with_unit(`${level}interval ${short(each.lower)} to ${short(each.upper)}`, each.unit)));
      }
      if (each.value !== null && each.inside != null) {
        number.append(element("small", Number(each.inside) > 0.5 ? "inside the area of applicability" : "outside the area of applicability"));
      }
      $("values").append(element("dt", each.name), number);
      for (const panel of page.comparing ? PANELS : []) {
        if (each.key === page.chosen[panel]) $(`value_${panel}`).textContent = each.value === null ? "no data" : with_unit(short(each.value), each.unit);
      }
    }
    document.documentElement.dataset.read = `${answer.x} ${answer.y}`;
  }

  function move_cursor(right, up) {
    const [left, bottom, east, north] = edges(), at = page.cursor ?? [(left + east) / 2, (bottom + north) / 2];
    const next = [at[0] + right * about.pixel, at[1] + up * about.pixel];
    for (const [side, place] of [["height", next[0]], ["width", next[1]]]) set(`span_${side}`, { location: place });
    point_at(...next);
  }

  function look_closer(x, y) {
    page.cursor = [x, y];
    set("mark", { data: { x: [x], y: [y] } });
    if (about.offline) return GeosoilDetails.show(GeosoilStored.details_at(x, y));
    state.ask_details = JSON.stringify({ n: ++asked.details.n, x, y });
  }

  function details_came() {
    const answer = JSON.parse(state.tell_details);
    if (answer.error) return report_error(answer.error);
    GeosoilDetails.show(answer);
  }

  function close_details() {
    $("details").hidden = true;
    set("mark", { data: { x: [], y: [] } });
  }

  // ---------------------------------------------------------------- keyboard

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

  function on_key(event) {
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target.type !== "checkbox";
    if (typing || event.ctrlKey || event.metaKey || event.altKey || $("keys").open) return;
    const arrow = ARROWS[event.key], on_map = event.target.classList?.contains("plot") || event.target === document.body;
    if (arrow && on_map) event.shiftKey ? move_cursor(...arrow) : move(0.2 * arrow[0], 0.2 * arrow[1]);
    else if (event.key === "Enter" && on_map && page.cursor) look_closer(...page.cursor);
    else if (event.key === "+" || event.key === "=") zoom(1.5);
    else if (event.key === "-") zoom(1 / 1.5);
    else if (event.key === "0") whole_map();
    else if (/^[1-9]$/.test(event.key) && about.layers[event.key - 1]) choose("a", about.layers[event.key - 1].key);
    else if (event.key === "n") step_layer(1);
    else if (event.key === "p") step_layer(-1);
    else if (event.key === "c") compare(!page.comparing);
    else if (event.key === "f") (page.comparing ? PANELS : ["a"]).forEach(fit_colours);
    else if (event.key === "d") set_theme(page.theme === "dark" ? "light" : "dark");
    else if (event.key === "?") $("keys").showModal();
    else if (event.key === "Escape") close_details();
    else return;
    event.preventDefault();
  }

  // ---------------------------------------------------------------- start

  function connect() {
    for (const panel of PANELS) {
      fill_layers($(`layer_${panel}`), "");
      $(`under_${panel}`).append(option("", "no background"), ...about.backgrounds.map((name) => option(name, `over ${name}`)));
      $(`under_${panel}`).hidden = !about.backgrounds.length;
      for (const name of Object.keys(about.palettes)) $(`palette_${panel}`).append(option(name, name));
      page.chosen[panel] = about.layers[0].key;
      $(`layer_${panel}`).onchange = (event) => choose(panel, event.target.value);
      $(`under_${panel}`).onchange = (event) => set_under(panel, event.target.value);
      $(`palette_${panel}`).onchange = (event) => set_colours(panel, { palette: event.target.value });
      $(`low_${panel}`).onchange = (event) => set_colours(panel, { low: event.target.valueAsNumber });
      $(`high_${panel}`).onchange = (event) => set_colours(panel, { high: event.target.valueAsNumber });
      $(`opacity_${panel}`).oninput = () => set_opacity(panel);
      $(`fit_${panel}`).onclick = () => fit_colours(panel);
      $(`reset_${panel}`).onclick = () => set_colours(panel, { low: colours_of(panel).first[0], high: colours_of(panel).first[1] });
      const plot = model(`map_${panel}`);
      plot.on_event("mousemove", (event) => point_at(event.x, event.y));
      plot.on_event("tap", (event) => { point_at(event.x, event.y); look_closer(event.x, event.y); });
    }
    $("same").onchange = show_colours;
    $("whole").onclick = whole_map;
    $("compare").onclick = () => compare(!page.comparing);
    $("dark").onclick = () => set_theme(page.theme === "dark" ? "light" : "dark");
    $("help").onclick = () => $("keys").showModal();
    $("close").onclick = close_details;
    document.addEventListener("keydown", on_key);
    $("notes").hidden = !about.notes.length;
    $("notes").querySelector("ul").append(...about.notes.map((note) => element("li", note)));
    for (const name of ["start", "end"]) {
      model("x_range").properties[name].change.connect(moved);
      model("y_range").properties[name].change.connect(moved);
    }
    for (const name of ["inner_width", "inner_height"]) model("map_a").properties[name].change.connect(keep_place);
    state.properties.tell_view.change.connect(view_came);
    state.properties.tell_values.change.connect(values_came);
    state.properties.tell_details.change.connect(details_came);
  }

  function start() {
    Geosoil.documents = window.Bokeh?.documents?.[0];
    state = Geosoil.documents?.get_model_by_name?.("state");
    if (!state || !(model("map_a")?.inner_width > 1)) return void setTimeout(start, 15);
    about = Geosoil.about = JSON.parse(state.about);
    layers = Geosoil.layers = new Map(about.layers.map((each) => [each.key, each]));
    connect();
    set_theme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    $("busy").hidden = true;
    whole_map();
    if (about.offline) show_stored();
    else view_came(); // the first picture came with the page; a sharper one follows when it is painted
  }

  setTimeout(start, 0);
})();
