// Harness of the accelerator: loads its memories, plays one image, records what it does.
//
// cocotb sets `job` and `start`, and waits for `done`: no Python runs per cycle. Files, in the
// simulator's working folder (written and read by network.py; loads and codes word by word, so that
// one model plays every program that its accelerator holds):
//   <program>_loads.hex  words for the load port, when it changes   <job>_header.hex  counts, rates
//   <job>_codes.hex    codes of the image stream
//   <program>_memory.hex   external memory, where there is one (memory.v)
//   <job>_outputs.txt    written here:
//     w layer address lanes word cycle   a write to the activation memory (hex, full width), or one
//                                        in its order of a tensor that is not stored
//     u layer address lanes bits cycle   before it: bits of its word that are undefined, here 0
//     r code cycle                       a taken result (hex, full width)
//     p pass cycles event event ...      totals at the end of a pass
//     end finished cycles reset          decimal, as the totals; reset: a run before was ended so
// the idle rate and the pause rate are chances out of 256 that a stream is held back in a cycle. In the
// cycle `reset_at` of a run the accelerator is reset as its AXI top level does it: the memories keep what
// they hold, bursts of external memory that were asked for come to their end. Then the image is played
// once more from its start, and only that run is recorded.

module adqhw_network (
    input  wire        clk   /*verilator public_flat_rw*/,
    input  wire        rst   /*verilator public_flat_rw*/,
    input  wire        start /*verilator public_flat_rw*/,
    input  wire [31:0] job   /*verilator public_flat_rw*/,
    output reg         done  /*verilator public_flat_rw*/
);
  localparam IDLE = 0, LOADING = 1, STARTING = 2, RUNNING = 3, FINISHED = 4, STOPPED = 5;

  reg [31:0] header[0:15];
  reg [@LOAD_WIDTH@-1:0] load, next_load;
  reg [@CODE_WIDTH@-1:0] code, next_code;

  reg [2:0] state;
  reg [31:0] load_count, code_count, limit, image_idle, result_pause;
  reg [31:0] load_at, code_at, cycle, noise;
  reg [31:0] program_number, loaded, reset_at;
  reg [31:0] latency, beat_cycles, row_shift, row_miss, memory_stall;
  // What depends on inputs of the top level is evaluated twice a cycle by Verilator, changed or not:
  // with a reset from outside the next value of almost every register.
  reg reset = 1;
  always @(posedge clk) reset <= rst;
  // For one cycle; and whether this image's run was ended so before.
  reg stop, was_stopped;
  reg image_gate, result_gate;
  integer file, load_file, code_file, items, bit_at, port;
  string prefix;

  wire running = state == RUNNING;
  wire image_valid = running && image_gate && code_at < code_count;
  wire result_ready = running && result_gate;
  wire image_ready, result_valid, busy, finished, record, memory_idle;
  wire image_taken = image_valid && image_ready;
  wire result_taken = result_valid && result_ready;
  wire [@RESULT_WIDTH@-1:0] result;
  wire [@COUNTERS_WIDTH@-1:0] counters;
  wire [@NUMBER_WIDTH@-1:0] ended;
  wire [@WRITE_WIDTH@-1:0] writes[0:@WRITES@-1];
  reg [@WRITE_WIDTH@-1:0] write;
  reg [@WORD_WIDTH@-1:0] write_word, undefined;
@MEMORY_WIRES@

  @TOP@ accelerator (
      .clk(clk),
      .rst(reset || stop),
      .load_valid(state == LOADING && load_at < load_count),
      .load_payload(load),
      .start(state == STARTING),
      .busy(busy),
      .done(finished),
      .image_valid(image_valid),
      .image_ready(image_ready),
      .image_payload(code),
      .image_last(),
      .progress(),
      .result_valid(result_valid),
      .result_ready(result_ready),
      .result_payload(result),
      .counters(counters),
      .record(record),
      .ended(ended),
@MEMORY_LINKS@@WRITE_PORTS@
  );
@MEMORY@

  task prepare;
    begin
      prefix = $sformatf("%0d_", job);
      $readmemh({prefix, "header.hex"}, header);
      load_count = header[0];
      code_count = header[1];
      limit = header[2];
      image_idle = header[3];
      result_pause = header[4];
      noise <= header[5];
      program_number = header[6];
      latency = header[7];
      beat_cycles = header[8];
      row_shift = header[9];
      row_miss = header[10];
      memory_stall = header[11];
      reset_at = header[12];
      if (loaded != program_number) begin
        load_file = $fopen({$sformatf("%0d_", program_number), "loads.hex"}, "r");
        items = $fscanf(load_file, "%h", next_load);
        load <= next_load;
      end
      code_file = $fopen({prefix, "codes.hex"}, "r");
      items = $fscanf(code_file, "%h", next_code);
      code <= next_code;
      file = $fopen({prefix, "outputs.txt"}, "w");
    end
  endtask

  // Lanes that hold no code of a tensor are never loaded: a maximum over them is undefined.
  task record_write;
    begin
      write_word = write[@LAYER_WIDTH@+@ADDRESS_WIDTH@+@ROWS@+:@WORD_WIDTH@];
      undefined = 0;
      if (^write_word === 1'bx) begin
        for (bit_at = 0; bit_at < @WORD_WIDTH@; bit_at = bit_at + 1)
          undefined[bit_at] = write_word[bit_at] === 1'bx;
        $fwrite(file, "u %h %h %h %h %h\n", write[0+:@LAYER_WIDTH@],
                write[@LAYER_WIDTH@+:@ADDRESS_WIDTH@],
                write[@LAYER_WIDTH@+@ADDRESS_WIDTH@+:@ROWS@], undefined, cycle);
      end
      $fwrite(file, "w %h %h %h %h %h\n", write[0+:@LAYER_WIDTH@],
              write[@LAYER_WIDTH@+:@ADDRESS_WIDTH@],
              write[@LAYER_WIDTH@+@ADDRESS_WIDTH@+:@ROWS@], write_word & ~undefined, cycle);
    end
  endtask

  always @(posedge clk) begin
    if (reset) begin
      state <= IDLE;
      done <= 0;
      loaded <= ~0;
      stop <= 0;
    end else if (state == IDLE) begin
      was_stopped <= 0;
      if (start) begin
        prepare;
        load_at <= 0;
        state <= loaded == program_number ? STARTING : LOADING;
      end
    end else if (state == LOADING) begin
      load_at <= load_at + 1;
      loaded  <= program_number;
      items = $fscanf(load_file, "%h", next_load);
      load <= next_load;
      if (load_at + 1 >= load_count) begin
        $fclose(load_file);
        state <= STARTING;
      end
    end else if (state == STARTING) begin
      state <= RUNNING;
      code_at <= 0;
      cycle <= 0;
      image_gate <= 1;
      result_gate <= 1;
    end else if (state == RUNNING) begin
      cycle <= cycle + 1;
      noise <= {noise[30:0], noise[31] ^ noise[21] ^ noise[1] ^ noise[0]};
      // The gate changes only while nothing is offered or it is taken: valid never drops.
      if (!image_valid || image_taken) image_gate <= noise[7:0] >= image_idle;
      result_gate <= noise[23:16] >= result_pause;
      if (image_taken) begin
        code_at <= code_at + 1;
        items = $fscanf(code_file, "%h", next_code);
        code <= next_code;
      end
      for (port = 0; port < @WRITES@; port = port + 1) begin
        write = writes[port];
        if (write[@LAYER_WIDTH@+@ADDRESS_WIDTH@+:@ROWS@] != 0) record_write;
      end
      if (result_taken) $fwrite(file, "r %h %h\n", result[@OUT_WIDTH@-1:0], cycle);
      if (record) begin
        $fwrite(file, "p %0d", ended);
        for (port = 0; port < @COUNTERS_WIDTH@ / 32; port = port + 1)
          $fwrite(file, " %0d", counters[32*port+:32]);
        $fwrite(file, "\n");
      end
      if (cycle == reset_at && !was_stopped) begin
        $fclose(file);
        $fclose(code_file);
        state <= STOPPED;
        stop <= 1;
        was_stopped <= 1;
      end else if (finished || cycle == limit) begin
        $fwrite(file, "end %0d %0d %0d\n", finished, cycle, was_stopped);
        $fclose(file);
        $fclose(code_file);
        state <= FINISHED;
        done  <= 1;
      end
    end else if (state == STOPPED) begin
      stop <= 0;
      // Where external memory stalls at random nothing is timed: the next run need not wait for it.
      if (!stop && (memory_idle || memory_stall != 0)) begin
        prepare;
        state <= STARTING;
      end
    end else if (!start) begin
      state <= IDLE;
      done  <= 0;
    end
  end
endmodule
