// Harness of the engine: plays one layer from files, records its outputs and measures its cycles.
//
// cocotb sets `job` and `start`, and waits for `done`: no Python runs per cycle. Files, in the
// simulator's working folder (written by runner.py, formats in harness.py):
//   <job>_header.hex   counts and rates, 32-bit words     <job>_loads.hex    words for load ports
//   <job>_groups.hex   {channel, weight base, input base} <job>_weights.hex  weight words
//   <job>_inputs.hex   activation words or direct codes   <job>_skips.hex    residual codes
//   <job>_outputs.txt  written here: code and cycle per output, then the totals
// idle rates and the pause rate are chances out of 256 that a stream is held back in a cycle.

module adqhw_harness (
    input  wire        clk   /*verilator public_flat_rw*/,
    input  wire        rst   /*verilator public_flat_rw*/,
    input  wire        start /*verilator public_flat_rw*/,
    input  wire [31:0] job   /*verilator public_flat_rw*/,
    output reg         done  /*verilator public_flat_rw*/
);
  localparam IDLE = 0, LOADING = 1, RUNNING = 2, FINISHED = 3;

  reg [31:0] header[0:15];
  reg [@LOAD_WIDTH@-1:0] loads[0:@LOADS@-1];
  reg [95:0] groups[0:@GROUPS@-1];
  reg [@WEIGHT_WIDTH@-1:0] weights[0:@WEIGHTS@-1];
  reg [@INPUT_WIDTH@-1:0] inputs[0:@INPUTS@-1];
  reg [@SKIP_WIDTH@-1:0] skips[0:@SKIPS@-1];

  reg [1:0] state;
  reg [31:0] load_count, group_count, depth, input_count, skip_count, output_count, limit;
  reg [31:0] beat_idle, skip_idle, output_pause;
  reg [31:0] load_at, group, step, input_at, skip_at, output_at;
  reg [31:0] cycle, first_cycle, stall_cycles;
  reg started, beat_gate, skip_gate, output_gate;
  reg [31:0] noise;
  integer file;
  string prefix;

  wire running = state == RUNNING;
  wire [@LOAD_WIDTH@-1:0] load = loads[load_at];
  wire loading = state == LOADING && load_at < load_count;
  wire [95:0] entry = groups[group];
  wire beat_valid = running && beat_gate && group < group_count;
  wire direct_valid = running && beat_gate && input_at < input_count;
  wire skip_valid = running && skip_gate && skip_at < skip_count;
  wire output_ready = running && output_gate;
  wire beat_ready, direct_ready, skip_ready, output_valid, stall;
  wire signed [@OUT_WIDTH@-1:0] output_payload;

  wire [@ACTIVATIONS_WIDTH@-1:0] beat_activations = inputs[entry[31:0] + step][@ACTIVATIONS_WIDTH@-1:0];
  wire [@WEIGHT_WIDTH@-1:0] beat_weights = weights[entry[63:32] + step];
  wire beat_taken = beat_valid && beat_ready;
  wire direct_taken = direct_valid && direct_ready;
  wire skip_taken = skip_valid && skip_ready;
  wire output_taken = output_valid && output_ready;

  @TOP@ engine (
      .clk(clk),
      .rst(rst),
      .hold(1'b0),
      .config_valid(loading && load[1:0] == 0),
      .config_payload(load[2+:@CONFIG_WIDTH@]),
      .codebook_valid(loading && load[1:0] == 1),
      .codebook_payload(load[2+:@CODEBOOK_WIDTH@]),
      .thresholds_valid(loading && load[1:0] == 2),
      .thresholds_payload(load[2+:@THRESHOLDS_WIDTH@]),
      .requants_valid(loading && load[1:0] == 3),
      .requants_payload(load[2+:@REQUANTS_WIDTH@]),
      .beat_valid(beat_valid),
      .beat_ready(beat_ready),
      .beat_payload({step + 1 == depth, step == 0, entry[64+:@CHANNEL_WIDTH@], beat_weights, beat_activations}),
      .direct_valid(direct_valid),
      .direct_ready(direct_ready),
      .direct_payload(inputs[input_at][@DIRECT_WIDTH@-1:0]),
      .skip_valid(skip_valid),
      .skip_ready(skip_ready),
      .skip_payload(skips[skip_at]),
      .output_valid(output_valid),
      .output_ready(output_ready),
      .output_payload(output_payload),
      .stall(stall)
  );

  task prepare;
    begin
      prefix = $sformatf("%0d_", job);
      $readmemh({prefix, "header.hex"}, header);
      load_count = header[0];
      group_count = header[1];
      depth = header[2];
      input_count = header[3];  // direct codes: 0 when the inputs are activations
      skip_count = header[4];
      output_count = header[5];
      limit = header[6];
      beat_idle = header[7];
      skip_idle = header[8];
      output_pause = header[9];
      noise <= header[10];
      $readmemh({prefix, "loads.hex"}, loads);
      $readmemh({prefix, "inputs.hex"}, inputs);
      if (group_count != 0) begin
        $readmemh({prefix, "groups.hex"}, groups);
        $readmemh({prefix, "weights.hex"}, weights);
      end
      if (skip_count != 0) $readmemh({prefix, "skips.hex"}, skips);
      file = $fopen({prefix, "outputs.txt"}, "w");
    end
  endtask

  always @(posedge clk) begin
    if (rst) begin
      state <= IDLE;
      done <= 0;
    end else if (state == IDLE) begin
      if (start) begin
        prepare;
        load_at <= 0;
        state <= LOADING;
      end
    end else if (state == LOADING) begin
      load_at <= load_at + 1;
      group <= 0;
      step <= 0;
      input_at <= 0;
      skip_at <= 0;
      output_at <= 0;
      cycle <= 0;
      first_cycle <= 0;
      stall_cycles <= 0;
      started <= 0;
      beat_gate <= 1;
      skip_gate <= 1;
      output_gate <= 1;
      if (load_at + 1 >= load_count) state <= RUNNING;
    end else if (state == RUNNING) begin
      cycle <= cycle + 1;
      noise <= {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
      // A gate changes only while its stream offers nothing or is taken: valid never drops.
      if (!(beat_valid || direct_valid) || beat_taken || direct_taken)
        beat_gate <= noise[7:0] >= beat_idle;
      if (!skip_valid || skip_taken) skip_gate <= noise[15:8] >= skip_idle;
      output_gate <= noise[23:16] >= output_pause;
      if (stall) stall_cycles <= stall_cycles + 1;
      if ((beat_taken || direct_taken) && !started) begin
        started <= 1;
        first_cycle <= cycle;
      end
      if (beat_taken) begin
        step <= step + 1 == depth ? 0 : step + 1;
        if (step + 1 == depth) group <= group + 1;
      end
      if (direct_taken) input_at <= input_at + 1;
      if (skip_taken) skip_at <= skip_at + 1;
      if (output_taken) begin
        output_at <= output_at + 1;
        $fwrite(file, "%0d %0d\n", output_payload, cycle - first_cycle);
      end
      if ((output_taken && output_at + 1 == output_count) || cycle == limit) begin
        $fwrite(file, "end %0d %0d %0d\n", output_at + (output_taken ? 1 : 0),
                cycle - first_cycle + 1, stall_cycles + (stall ? 1 : 0));
        $fclose(file);
        state <= FINISHED;
        done  <= 1;
      end
    end else if (!start) begin
      state <= IDLE;
      done  <= 0;
    end
  end
endmodule
