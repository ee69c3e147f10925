// A host of its own for adqhw_top: plays script.txt, writes log.txt, watches the rules of AXI.
//
// script.txt, one command a line, numbers in hex:
//   w address data strobes mode   write; mode[3:0] 0 together, 1 address first, 2 data first;
//                                 mode[15:4] cycles until bready
//   r address 0 0 mode            read; mode[15:4] cycles until rready
//   b address data address 0      a write and a read offered in the same cycle
//   a address 0 0 0               an address without data, accepted
//   v 0 data strobes 0            data without an address, accepted
//   f address 0 0 0               a read whose data is not taken
//   s first count last 0          queue codes of codes.hex for s_axis; last: tlast with the last one
//   p source sink 0 0             patterns of 16 cycles in which s_axis is offered, m_axis taken
//   d cycles 0 0 0                wait
//   i address mask value 0        read until (data & mask) == value
//   u count 0 0 0                 wait until count results in all were taken
//   k 0 0 0 0, n count 0 0 0      wait until s_axis took count codes since k
//   x cycles 0 0 0                reset
//   y cycles address data 0       reset during which a write is offered, and then answered
// log.txt: w address response; r address data response; o data last user; t command (it never ended);
//   rule what (broken); c cycles of s_axis in which a code was taken
`timescale 1ns / 1ps

module axi_bus;
  localparam LIMIT = 20000;  // cycles that a command may take
  reg clk = 0, rst = 0;
  always #5 clk = ~clk;

  reg [11:0] awaddr, araddr;
  reg [31:0] wdata;
  reg [3:0] wstrb;
  reg awvalid, wvalid, arvalid, bready, rready;
  wire awready, wready, arready, bvalid, rvalid;
  wire [1:0] bresp, rresp;
  wire [31:0] rdata;
  reg [8*@BYTES@-1:0] sdata;
  reg svalid, slast;
  wire sready;
  wire [31:0] mdata;
  wire mvalid, mlast, muser;
  reg mready;

  adqhw_top dut (
      .clk(clk), .rst(rst),
      .s_axil_awaddr(awaddr), .s_axil_awprot(3'd0), .s_axil_awvalid(awvalid),
      .s_axil_awready(awready), .s_axil_wdata(wdata), .s_axil_wstrb(wstrb),
      .s_axil_wvalid(wvalid), .s_axil_wready(wready), .s_axil_bresp(bresp),
      .s_axil_bvalid(bvalid), .s_axil_bready(bready), .s_axil_araddr(araddr),
      .s_axil_arprot(3'd0), .s_axil_arvalid(arvalid), .s_axil_arready(arready),
      .s_axil_rdata(rdata), .s_axil_rresp(rresp), .s_axil_rvalid(rvalid),
      .s_axil_rready(rready), .s_axis_tdata(sdata), .s_axis_tlast(slast),
      .s_axis_tvalid(svalid), .s_axis_tready(sready), .m_axis_tdata(mdata),
      .m_axis_tlast(mlast), .m_axis_tuser(muser), .m_axis_tvalid(mvalid),
      .m_axis_tready(mready)
  );

  // Rules: nothing ready or valid in reset; an offer stays as it is; nothing unknown after reset;
  // a response for each address with data, and no other.
  reg started = 0;
  reg b_held = 0, r_held = 0, m_held = 0;
  reg [1:0] b_was;
  reg [33:0] r_was, m_was;
  integer addresses = 0, datas = 0, responses = 0, reads = 0, answers = 0;
  integer log, script;
  task broken(input [8*24-1:0] what);
    $fwrite(log, "rule %0s\n", what);
  endtask
  always @(posedge clk) begin
    if (rst) begin
      if ({awready, wready, arready, sready, bvalid, rvalid, mvalid} !== 0) broken("in_reset");
      {b_held, r_held, m_held} <= 0;
      addresses = 0; datas = 0; responses = 0; reads = 0; answers = 0;
      started <= 1;
    end else if (started) begin
      if (^{awready, wready, arready, sready, bvalid, rvalid, mvalid} === 1'bx) broken("unknown");
      if (bvalid && ^bresp === 1'bx || rvalid && ^{rresp, rdata} === 1'bx) broken("unknown_answer");
      if (mvalid && ^{mdata, mlast, muser} === 1'bx) broken("unknown_result");
      if (b_held && !(bvalid && bresp === b_was)) broken("b_changed");
      if (r_held && !(rvalid && {rresp, rdata} === r_was)) broken("r_changed");
      if (m_held && !(mvalid && {muser, mlast, mdata} === m_was)) broken("m_changed");
      b_held <= bvalid && !bready; b_was <= bresp;
      r_held <= rvalid && !rready; r_was <= {rresp, rdata};
      m_held <= mvalid && !mready; m_was <= {muser, mlast, mdata};
      if (bvalid && bready) responses = responses + 1;
      if (rvalid && rready) answers = answers + 1;
      if (responses > addresses || responses > datas) broken("b_unasked");
      if (answers > reads) broken("r_unasked");
      if (awvalid && awready) addresses = addresses + 1;
      if (wvalid && wready) datas = datas + 1;
      if (arvalid && arready) reads = reads + 1;
    end
  end

  // s_axis: codes that are queued, offered by a pattern; m_axis: taken by a pattern.
  reg [8*@BYTES@-1:0] codes[0:65535];
  reg [31:0] queue_first[0:255], queue_count[0:255];
  reg queue_last[0:255];
  reg [7:0] queue_in = 0, queue_out = 0;
  reg [31:0] queue_at = 0;
  reg [15:0] source = 16'hffff, sink = 16'hffff;
  reg [3:0] tick = 0;
  integer taken = 0, marked = 0, results = 0;
  task offer;  // the next code, or nothing
    if (queue_out != queue_in && source[tick]) begin
      svalid <= 1;
      sdata <= codes[queue_first[queue_out]+queue_at];
      slast <= queue_last[queue_out] && queue_at + 1 == queue_count[queue_out];
      if (queue_at + 1 == queue_count[queue_out]) begin
        queue_at = 0;
        queue_out = queue_out + 1;
      end else queue_at = queue_at + 1;
    end else begin
      svalid <= 0;
      sdata <= {@BYTES@{8'hxx}};
      slast <= 1'bx;
    end
  endtask
  always @(posedge clk) begin
    tick <= tick + 1;
    if (svalid === 1 && sready && !rst) taken = taken + 1;
    if (!started || rst) begin
      svalid <= 0;
      queue_out = queue_in;
      queue_at = 0;
    end else if (svalid !== 1 || sready) offer;
    if (mvalid && mready && !rst && started) begin
      $fwrite(log, "o %h %b %b\n", mdata, mlast, muser);
      results = results + 1;
    end
    mready <= sink[tick];
  end

  integer waited;
  reg stuck;
  task step;  // one cycle; a command that takes too many is given up
    begin
      @(posedge clk);
      waited = waited + 1;
      stuck = waited > LIMIT;
    end
  endtask
  task send_address(input [11:0] at);
    begin
      awvalid <= 1; awaddr <= at;
      step;
      while (!awready && !stuck) step;
      awvalid <= 0; awaddr <= 12'hxxx;
    end
  endtask
  task send_data(input [31:0] value, input [3:0] strobes);
    begin
      wvalid <= 1; wdata <= value; wstrb <= strobes;
      step;
      while (!wready && !stuck) step;
      wvalid <= 0; wdata <= 32'hx; wstrb <= 4'hx;
    end
  endtask
  task take_response(input [11:0] at, input integer delay);
    begin
      repeat (delay) step;
      bready <= 1;
      step;
      while (!bvalid && !stuck) step;
      bready <= 0;
      if (!stuck) $fwrite(log, "w %h %b\n", at, bresp);
    end
  endtask
  task write(input [11:0] at, input [31:0] value, input [3:0] strobes, input [31:0] mode);
    begin
      case (mode[3:0])
        1: begin send_address(at); repeat (3) step; send_data(value, strobes); end
        2: begin send_data(value, strobes); repeat (3) step; send_address(at); end
        default: fork send_address(at); send_data(value, strobes); join
      endcase
      take_response(at, mode[15:4]);
    end
  endtask
  reg [31:0] got;
  task send_read(input [11:0] at);
    begin
      arvalid <= 1; araddr <= at;
      step;
      while (!arready && !stuck) step;
      arvalid <= 0; araddr <= 12'hxxx;
    end
  endtask
  task read(input [11:0] at, input integer delay, input shown);
    begin
      send_read(at);
      repeat (delay) step;
      rready <= 1;
      step;
      while (!rvalid && !stuck) step;
      rready <= 0;
      got = rdata;
      if (shown && !stuck) $fwrite(log, "r %h %h %b\n", at, rdata, rresp);
    end
  endtask
  task until_value(input [11:0] at, input [31:0] bits, input [31:0] value);
    begin
      read(at, 0, 0);
      while ((got & bits) != value && !stuck) read(at, 0, 0);
    end
  endtask
  task reset(input integer cycles);
    begin
      rst <= 1;
      {awvalid, wvalid, arvalid, bready, rready} <= 0;
      repeat (cycles) step;
      rst <= 0;
    end
  endtask
  task reset_with_write(input integer cycles, input [11:0] at, input [31:0] value);
    begin
      rst <= 1;
      fork
        begin repeat (cycles) step; rst <= 0; end
        write(at, value, 4'hf, 0);
      join
    end
  endtask

  reg [7:0] command;
  reg [31:0] a, b, c, d;
  initial begin
    log = $fopen("log.txt", "w");
    script = $fopen("script.txt", "r");
    $readmemh("codes.hex", codes);
    while ($fscanf(script, " %c %h %h %h %h", command, a, b, c, d) == 5) begin
      waited = 0;
      stuck = 0;
      case (command)
        "w": write(a, b, c, d);
        "r": read(a, d[15:4], 1);
        "b": fork write(a, b, 4'hf, 0); read(c, 0, 1); join
        "a": send_address(a);
        "v": send_data(b, c);
        "f": send_read(a);
        "s": begin
          queue_first[queue_in] = a; queue_count[queue_in] = b; queue_last[queue_in] = c;
          queue_in = queue_in + 1;
        end
        "p": begin source = a; sink = b; end
        "d": repeat (a) step;
        "i": until_value(a, b, c);
        "u": while (results < a && !stuck) step;
        "k": marked = taken;
        "n": while (taken < marked + a && !stuck) step;
        "x": reset(a);
        "y": reset_with_write(a, b, c);
        default: broken("no_such_command");
      endcase
      if (stuck && command != "d") begin
        $fwrite(log, "t %c %h %h\n", command, a, b);
        {awvalid, wvalid, arvalid, bready, rready} <= 0;
      end
    end
    $fwrite(log, "c %0d\n", taken);
    $fclose(log);
    $finish;
  end
endmodule
